"""Files of customers: uploaded, scored once each, fetched in any format."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from churnkit.data.samples.locate import telco_path
from churnkit.usecases import happenings
from tests.live import FEATURES, Live, Told, item

REPLICAS = True
TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
N = 300


def customers(n: int = N) -> list[dict[str, str]]:
    """Rows as they are in the sample's file."""
    with telco_path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "Churn"} for row in rows[:n]]


def as_csv(rows: list[dict[str, str]]) -> bytes:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def upload(served: Live, body: bytes, kind: str = "text/csv", query: str = "", **more: Any) -> Told:
    """Send a file."""
    headers = {"Content-Type": kind, **more.pop("headers", {})}
    return served.ask("POST", f"/v1/batches{query}", body, headers=headers, **more)


def ended(served: Live, told: Told, seconds: float = 60) -> dict[str, Any]:
    """The batch when it is over."""
    assert told.status == 202, told.content
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        batch = served.ask("GET", f"/v1/batches/{told.json['id']}").json
        if batch["state"] in ("finished", "failed", "cancelled"):
            return dict(batch)
        time.sleep(0.05)
    raise AssertionError(batch)


def result(served: Live, batch: dict[str, Any], query: str = "format=ndjson") -> bytes:
    """A batch's result."""
    told = served.ask("GET", f"/v1/batches/{batch['id']}/result?{query}")
    assert told.status == 200, told.content
    return told.content


def lines(content: bytes) -> list[dict[str, Any]]:
    """NDJSON as plain data."""
    return [json.loads(line) for line in content.splitlines()]


def recorded(served: Live, batch: dict[str, Any], customer: str) -> list[dict[str, Any]]:
    """What the ledger knows of a customer from this batch."""
    told = served.ask("GET", f"/v1/predictions?customer_id={customer}").json["predictions"]
    return [row for row in told if row["request_id"] == batch["id"]]


@pytest.fixture(scope="module")
def scored(served: Live) -> Iterator[dict[str, Any]]:
    """A CSV file that was scored."""
    batch = ended(served, upload(served, as_csv(customers()), query="?reasons=2"))
    assert batch["state"] == "finished", batch
    yield batch


def test_every_row_is_scored_as_a_single_one_is(served: Live, scored: dict[str, Any]) -> None:
    assert (scored["rows"], scored["done"], scored["failed"]) == (N, N, 0)
    assert scored["progress"] == 1.0
    assert sum(scored["risk_bands"].values()) == N
    rows = lines(result(served, scored))
    assert [row["customer_id"] for row in rows] == [row["customerID"] for row in customers()]
    assert [row["row"] for row in rows] == list(range(2, N + 2))
    some = [item(row["customerID"], **_typed(row)) for row in customers()[:20]]
    single = served.predict(*some, reasons=2).json["predictions"]
    for row, one in zip(rows, single, strict=False):
        assert row["probability"] == pytest.approx(one["probability"], abs=1e-12)
        assert row["risk_band"] == one["risk_band"]
        assert row["reason_1"] == one["reasons"][0]["column"]
        assert row["reason_1_points"] == pytest.approx(one["reasons"][0]["points"], abs=1e-9)
    mean = sum(row["probability"] for row in rows) / N
    assert scored["mean_probability"] == pytest.approx(mean)


def _typed(row: dict[str, str]) -> dict[str, Any]:
    numbers = ("tenure", "MonthlyCharges", "TotalCharges", "SeniorCitizen")
    return {
        name: (float(row[name]) if row[name].strip() else None) if name in numbers else row[name]
        for name in FEATURES
    }


def test_every_prediction_is_in_the_ledger_once(served: Live, scored: dict[str, Any]) -> None:
    rows = lines(result(served, scored))
    assert len({row["prediction_id"] for row in rows}) == N
    row = rows[7]
    (found,) = recorded(served, scored, row["customer_id"])
    assert found["prediction_id"] == row["prediction_id"]
    assert found["probability"] == row["probability"]
    assert found["model_version"] == row["model_version"] == scored["model_version"]
    assert found["reasons"][0]["column"] == row["reason_1"]


def test_the_three_formats_of_a_result_say_the_same(served: Live, scored: dict[str, Any]) -> None:
    told = lines(result(served, scored))
    table = parquet.read_table(io.BytesIO(result(served, scored, "format=parquet")))
    assert table.to_pylist() == told
    text = list(csv.DictReader(io.StringIO(result(served, scored, "").decode())))
    assert [row["customer_id"] for row in text] == [row["customer_id"] for row in told]
    assert [float(row["probability"]) for row in text] == [row["probability"] for row in told]


@pytest.mark.parametrize("form", ["ndjson", "items", "parquet", "multipart"])
def test_the_same_customers_in_other_formats(
    served: Live, scored: dict[str, Any], form: str
) -> None:
    rows = customers(60)
    if form == "parquet":
        sink = io.BytesIO()
        typed = [{"customerID": row["customerID"], **_typed(row)} for row in rows]
        parquet.write_table(pa.Table.from_pylist(typed), sink)
        told = upload(served, sink.getvalue(), TYPES["parquet"], "?record=false")
    elif form == "multipart":
        body = (
            b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
            + as_csv(rows)
            + b"\r\n--x--\r\n"
        )
        told = upload(served, body, "multipart/form-data; boundary=x", "?record=false")
    else:
        items = [
            item(row["customerID"], **_typed(row))
            if form == "items"
            else {"customerID": row["customerID"], **_typed(row)}
            for row in rows
        ]
        body = "\n".join(map(json.dumps, items)).encode()
        told = upload(served, body, TYPES["ndjson"], "?record=false")
    batch = ended(served, told)
    assert (batch["state"], batch["done"], batch["failed"]) == ("finished", 60, 0), batch
    same = [(row["customer_id"], row["probability"]) for row in lines(result(served, scored))[:60]]
    assert [
        (row["customer_id"], pytest.approx(row["probability"], abs=1e-12))
        for row in lines(result(served, batch))
    ] == same
    assert recorded(served, batch, rows[0]["customerID"]) == []


def test_broken_rows_are_set_aside_with_the_reason(served: Live) -> None:
    rows = customers(12)
    rows[1]["tenure"] = "long"
    rows[2]["customerID"] = " "
    rows[5]["MonthlyCharges"] = "1e999"
    rows[6]["Contract"] = "Weekly"
    text = as_csv(rows).decode().splitlines(keepends=True)
    text[5] = "only,three,values\n"  # the fourth customer: line 6
    batch = ended(served, upload(served, "".join(text).encode()))
    assert (batch["state"], batch["done"], batch["failed"]) == ("finished", 12, 4), batch
    assert batch["unknown_categories"] == {"Contract": 1}
    failed = sorted(
        lines(result(served, batch, "rows=failed&format=ndjson")), key=lambda f: f["row"]
    )
    assert [(f["row"], f["column"], f["given"]) for f in failed] == [
        (3, "tenure", "long"), (4, "customerID", ""), (6, "", "only,three,values"),
        (7, "MonthlyCharges", "1e999"),
    ]  # fmt: skip
    assert failed[0]["customer_id"] == rows[1]["customerID"]
    assert "no number" in failed[0]["reason"]
    assert {f["row"] for f in batch["errors"]} == {3, 4, 6, 7}
    good = lines(result(served, batch))
    assert [row["row"] for row in good] == [2, 5, 8, 9, 10, 11, 12, 13]
    assert good[2]["unknown_categories"] == ["Contract"]
    csv_failed = list(csv.DictReader(io.StringIO(result(served, batch, "rows=failed").decode())))
    assert len(csv_failed) == 4


def test_broken_lines_of_json_are_set_aside(served: Live) -> None:
    body = b"\n".join(
        [
            json.dumps(item("a")).encode(),
            b"",
            b"{not json}",
            b"[1, 2]",
            json.dumps({**item("b"), "features": {**FEATURES, "tenure": "x"}}).encode(),
            json.dumps({"customer_id": "c", "features": {"tenure": 1}}).encode(),
            b'{"customer_id": "d", "features": {"tenure": NaN}}',
            b'{"customer_id": "\\ud800", "features": {}}',
            b"[" * 100_000,
            b'{"customer_id": "\xff"}',
            b"x" * 1_100_000,
            json.dumps({"customer_id": "named alone"}).encode(),
            json.dumps(item("z")).encode(),
        ]
    )
    batch = ended(served, upload(served, body, TYPES["ndjson"]))
    assert (batch["state"], batch["done"], batch["failed"]) == ("finished", 12, 10), batch
    assert [row["customer_id"] for row in lines(result(served, batch))] == ["a", "z"]
    failed = {f["row"]: f for f in lines(result(served, batch, "rows=failed&format=ndjson"))}
    assert sorted(failed) == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert (failed[5]["column"], failed[5]["given"]) == ("tenure", "'x'")
    assert "deeply" in failed[9]["reason"]
    assert "UTF-8" in failed[10]["reason"]


def test_none_is_scored_when_one_shall_fail_all(served: Live) -> None:
    rows = customers(30)
    rows[20]["tenure"] = "long"
    batch = ended(served, upload(served, as_csv(rows), query="?on_error=fail"))
    assert (batch["state"], batch["done"]) == ("failed", 0)
    assert (batch["error"]["row"], batch["error"]["column"]) == (22, "tenure")
    assert batch["error"]["type"] == "/problems/bad-value"
    assert result(served, batch) == b""
    assert recorded(served, batch, rows[0]["customerID"]) == []


def as_parquet(name: str, column: pa.Array) -> bytes:
    """Customers as a table, one of its columns another one."""
    n = len(column)
    table = pa.Table.from_pylist([{"customer_id": f"p{i}", **FEATURES} for i in range(n)])
    file = io.BytesIO()
    place = table.column_names.index(name)
    parquet.write_table(table.set_column(place, name, column), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "column", "failed"),
    [
        ("tenure", pa.array(["1", "x", None]), [2]),
        ("tenure", pa.array([1.0, float("inf"), float("nan")]), [2]),
        ("customer_id", pa.array([7, 8, 9]), []),
        ("customer_id", pa.array(["a", None, "c\0"]), [2, 3]),
        ("customer_id", pa.array(["a", "b", "a"]).dictionary_encode(), []),
        ("customer_id", pa.array([b"a", b"\xff", None]), [3]),
    ],
)
def test_values_of_another_type_in_parquet(
    served: Live, name: str, column: pa.Array, failed: list[int]
) -> None:
    """What can be read is read; what cannot is set aside, row by row."""
    batch = ended(served, upload(served, as_parquet(name, column), TYPES["parquet"]))
    assert (batch["state"], batch["rows"], batch["failed"]) == ("finished", 3, len(failed))
    told = lines(result(served, batch, "format=ndjson&rows=failed"))
    assert [(row["row"], row["column"]) for row in told] == [(row, name) for row in failed]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (as_parquet("tenure", pa.array([[1], [2]])), TYPES["parquet"], "bad-value"),
        (as_parquet("tenure", pa.array([{"a": 1}])), TYPES["parquet"], "bad-value"),
        (as_parquet("tenure", pa.array([1]))[:-20], TYPES["parquet"], "data-unreadable"),
        (b"a,b\n1,2\n", "text/csv", "column-missing"),
        (b"PAR1 but no more", TYPES["parquet"], "data-unreadable"),
        (as_csv(customers(1)).splitlines()[0], "text/csv", "data-empty"),
        (b"\n\n", TYPES["ndjson"], "data-empty"),
    ],
)
def test_a_file_that_cannot_be_used_fails(served: Live, body: bytes, kind: str, said: str) -> None:
    batch = ended(served, upload(served, body, kind))
    assert batch["state"] == "failed"
    assert batch["error"]["type"] == f"/problems/{said}"
    assert "/tmp" not in json.dumps(batch)


def test_what_is_no_upload_is_refused(served: Live) -> None:
    good = as_csv(customers(2))
    assert upload(served, b"").status == 422
    assert upload(served, good, "application/json").kind == "media-type-unsupported"
    assert upload(served, good, "application/octet-stream").status == 415
    assert upload(served, good, TYPES["parquet"]).kind == "request-invalid"
    assert upload(served, good, "multipart/form-data; boundary=x").kind == "body-malformed"
    assert upload(served, good, query="?reasons=-1").json["errors"][0]["field"] == "query.reasons"
    assert upload(served, good, query="?colour=red").status == 422
    assert upload(served, good, key="read").status == 403
    for path in ("", "/result", "/cancel"):
        method = "POST" if path == "/cancel" else "GET"
        for name in ("0" * 32, "x", "%00", "'; drop table jobs"):
            assert served.ask(method, f"/v1/batches/{name}{path}").kind in (
                "unknown-job",
                "not-found",
            )


def test_a_repeated_upload_is_one_batch(served: Live) -> None:
    key = {"Idempotency-Key": f"batch-{served.url}"}
    body = as_csv(customers(5))
    first = upload(served, body, headers=key)
    again = upload(served, body, headers=key)
    assert first.status == again.status == 202
    assert first.json["id"] == again.json["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert upload(served, body + b"x", headers=key).kind == "idempotency-key-reused"
    assert upload(served, body, query="?reasons=1", headers=key).kind == "idempotency-key-reused"
    assert ended(served, first)["state"] == "finished"


def test_batches_are_listed_and_deleted(served: Live, scored: dict[str, Any]) -> None:
    told = upload(served, as_csv(customers(5)))
    batch = ended(served, told)
    assert told.headers["Location"] == f"/v1/batches/{batch['id']}"
    page = served.ask("GET", "/v1/batches?limit=2").json
    assert page["batches"][0]["id"] == batch["id"]
    seen = [one["id"] for one in page["batches"]]
    while page["next_cursor"]:
        page = served.ask("GET", f"/v1/batches?limit=2&cursor={page['next_cursor']}").json
        seen += [one["id"] for one in page["batches"]]
    assert len(seen) == len(set(seen))
    assert scored["id"] in seen
    finished = served.ask("GET", "/v1/batches?state=finished&limit=1000").json["batches"]
    assert {one["state"] for one in finished} == {"finished"}
    customer = lines(result(served, batch))[0]["customer_id"]
    assert served.ask("DELETE", f"/v1/batches/{batch['id']}").status == 204
    assert served.ask("DELETE", f"/v1/batches/{batch['id']}").status == 404
    assert served.ask("GET", f"/v1/batches/{batch['id']}/result").status == 404
    assert len(recorded(served, batch, customer)) == 1  # the ledger forgets nothing


def test_consoles_hear_of_a_job_when_it_begins_and_ends(served: Live) -> None:
    assert served.service is not None
    project = served.service.project
    batch = ended(served, upload(served, as_csv(customers(20))))
    end = time.monotonic() + 20
    told: list[str] = []
    while told[-1:] != ["finished"] and time.monotonic() < end:
        news = happenings.happenings_after(project, 0, 1_000)
        told = [
            str(one.document["state"])
            for one in news
            if one.kind == "job" and one.document["id"] == batch["id"]
        ]
        time.sleep(0.05)
    assert told == ["running", "finished"]
