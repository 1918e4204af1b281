"""Events come in once each, from any kind of file; what cannot be used is set aside and counted."""

from __future__ import annotations

import csv
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import dataset, parquet

from churnkit import errors
from churnkit.data.event_import import import_log
from churnkit.data.event_reading import read_log_schema
from churnkit.data.fact_import import Request
from churnkit.data.fact_sources import find_parts
from churnkit.data.samples.locate import cdnow_path
from churnkit.domain.progress import Cancel
from tests.data.event_logs import NOW, import_into, log_settings, rows, written

HEAD = "customer,time,type,amount"


def _rejected(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _log(n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    moments = np.datetime64("2024-01-01", "us") + rng.integers(0, 300 * 86_400, n) * 1_000_000
    return pa.table(
        {
            "customer": pa.array(rng.integers(1, 50, n)).cast(pa.string()),
            "time": pa.array(moments),
            "type": pa.array(rng.choice(["login", "purchase"], n)),
            "amount": pa.array(np.round(rng.gamma(2, 20, n), 2)),
            "order": pa.array(np.arange(n)),
        }
    )


# --- what is kept -----------------------------------------------------------------------------


def test_integers_in_utc_and_days_of_the_zone(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log.csv", HEAD,
        "007,2024-03-30 23:30,login,",
        "007,2024-03-31 02:30,login,1.5",
        "7,2024-10-27 02:30,purchase,-12.25",
        "7,2024-10-27T02:30:00.000001+01:00,purchase,0.1",
    )  # fmt: skip
    done = import_into(tmp_path, log_settings("Europe/Berlin"), log)
    assert done.tables[0].n_twice == done.tables[0].n_never == 1
    found = rows(
        tmp_path,
        "select customer_id, t_us, known_us, dayno, event_type, v_amount from events "
        "join customer_numbers using (customer_no) order by t_us",
    )
    us = [
        int(datetime(*when, tzinfo=UTC).timestamp() * 1_000_000)
        for when in (
            (2024, 3, 30, 22, 30), (2024, 3, 31, 1, 30), (2024, 10, 27, 0, 30),
            (2024, 10, 27, 1, 30),
        )
    ]  # fmt: skip
    assert found == [
        ("007", us[0], us[0], 19_812, "login", None),
        ("007", us[1], us[1], 19_813, "login", 150),
        ("7", us[2], us[2], 20_023, "purchase", -1_225),
        ("7", us[3] + 1, us[3] + 1, 20_023, "purchase", 10),
    ]
    schema = read_log_schema(tmp_path / "store" / "churnkit.duckdb")
    assert (schema.n_events, schema.n_customers, schema.event_types) == (
        4,
        2,
        ("login", "purchase"),
    )
    assert (schema.first_us, schema.last_us, schema.known_until_us) == (us[0], us[3] + 1, us[3] + 1)


def test_cdnow(tmp_path: Path) -> None:
    settings = log_settings(
        customer_id="customer_id", event_time="date", event_type="", time_format="yyyymmdd",
        values={"number_of_cds": 0, "dollar_value": 2},
    )  # fmt: skip
    done = import_into(tmp_path, settings, cdnow_path())
    merged = done.tables[0].merged
    assert (merged.n_new, merged.n_repeated, done.tables[0].n_rejected) == (69_404, 255, 0)
    lines = {tuple(line.split()) for line in cdnow_path().read_text().splitlines()[1:]}
    assert len(lines) == 69_404
    expected = sum(round(float(line[3]) * 100) for line in lines)
    sql = (
        "select sum(v_dollar_value), min(customer_id), count(distinct customer_no) "
        "from events join customer_numbers using (customer_no)"
    )
    assert rows(tmp_path, sql) == [(expected, "00001", 23_570)]


def test_the_shape_of_online_retail(tmp_path: Path) -> None:
    """Lines without customer, cancellations, duplicates and prices of 0, as in that log."""
    n = 2_000
    rng = np.random.default_rng(3)
    lines = pa.table(
        {
            "InvoiceNo": pa.array(
                [f"{'C' if i % 50 == 0 else ''}{536_000 + i // 5}" for i in range(n)]
            ),
            "StockCode": pa.array(rng.choice(["85123A", "POST", "M", "22139"], n)),
            "Description": pa.array(rng.choice(["HEART", None, "DOT  COM"], n)),
            "Quantity": pa.array(rng.integers(-5, 20, n)),
            "InvoiceDate": pa.array(
                np.datetime64("2010-12-01T08:26", "us")
                + np.arange(n) // 5 * np.timedelta64(5 * 60_000_000, "us")
            ),
            "UnitPrice": pa.array(rng.choice([2.55, 0.0, -11062.06, 0.001], n)),
            "CustomerID": pa.array(rng.integers(12_346, 12_400, n), mask=rng.random(n) < 0.25),
            "Country": pa.array(rng.choice(["France", "EIRE"], n)),
        }
    )
    parquet.write_table(pa.concat_tables([lines, lines.slice(0, 100)]), tmp_path / "retail.parquet")
    settings = log_settings(
        "Europe/London", customer_id="CustomerID", event_time="InvoiceDate", event_type="",
        values={"Quantity": 0, "UnitPrice": 3}, categories=("Country",),
    )  # fmt: skip
    done = import_into(tmp_path, settings, tmp_path / "retail.parquet").tables[0]
    there = lines.filter(pa.compute.is_valid(lines.column("CustomerID")))
    different = there.group_by(there.column_names).aggregate([]).num_rows
    without = pa.concat_tables([lines, lines.slice(0, 100)]).column("CustomerID").null_count
    assert done.n_rejected == without == done.reasons[0].n
    assert done.merged.n_new == different
    assert done.merged.n_new + done.merged.n_repeated + without == n + 100
    assert done.ignored == ("InvoiceNo", "StockCode", "Description")
    assert rows(tmp_path, "select min(v_UnitPrice), max(v_UnitPrice) from events") == [
        (-11_062_060, 2_550)
    ]


def test_each_kind_of_file_gives_the_same_log(tmp_path: Path) -> None:
    log = _log(400)
    (tmp_path / "a").mkdir()
    arrow_csv.write_csv(log, tmp_path / "a" / "log.csv")
    text = (tmp_path / "a" / "log.csv").read_bytes()
    (tmp_path / "b").mkdir()
    with gzip.open(tmp_path / "b" / "log.csv.gz", "wb") as file:
        file.write(text)
    (tmp_path / "c").mkdir()
    for i in range(4):  # several files
        parquet.write_table(log.slice(i * 100, 100), tmp_path / "c" / f"part-{i}.parquet")
    dataset.write_dataset(
        log, tmp_path / "d", format="parquet",
        partitioning=dataset.partitioning(pa.schema([("type", pa.string())]), flavor="hive"),
    )  # fmt: skip
    (tmp_path / "e").mkdir()
    with sqlite3.connect(tmp_path / "e" / "log.sqlite") as database:
        database.execute("create table log (customer, time, type, amount, [order])")
        database.executemany(
            "insert into log values (?, ?, ?, ?, ?)",
            [
                (r["customer"], str(r["time"]), r["type"], r["amount"], r["order"])
                for r in log.to_pylist()
            ],
        )
    database.close()
    settings = log_settings()
    prints = {}
    for name, source in {
        "a": tmp_path / "a/log.csv", "b": tmp_path / "b/log.csv.gz",
        "c": tmp_path / "c" / "part-*.parquet", "d": tmp_path / "d",
    }.items():  # fmt: skip
        done = import_into(tmp_path / name, settings, source)
        assert done.log.n_events == 400
        prints[name] = done.log.fingerprint
    request = Request(
        "events", find_parts([f"sqlite:///{tmp_path / 'e' / 'log.sqlite'}"]), "select * from log"
    )
    done = import_log(
        settings, [request], tmp_path / "e/store/churnkit.duckdb", tmp_path / "e/rejected", now=NOW
    )
    prints["e"] = done.log.fingerprint
    assert len(set(prints.values())) == 1, prints


# --- once each ------------------------------------------------------------------------------


def test_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    parquet.write_table(_log(300), tmp_path / "log.parquet")
    database = tmp_path / "store" / "churnkit.duckdb"
    import_into(tmp_path, log_settings(), tmp_path / "log.parquet")
    before = database.read_bytes()
    done = import_into(tmp_path, log_settings(), tmp_path / "log.parquet")
    assert (done.changed, done.tables[0].merged.n_new, done.tables[0].merged.n_known) == (
        False,
        0,
        300,
    )
    assert database.read_bytes() == before
    assert sorted(p.name for p in database.parent.iterdir()) == ["churnkit.duckdb"]


def test_parts_in_any_order_give_the_same_log(tmp_path: Path) -> None:
    log = _log(600, seed=1)
    for i in range(3):  # with an overlap of 100 rows
        parquet.write_table(log.slice(i * 200, 300), tmp_path / f"{i}.parquet")
    prints = set()
    for order in ((0, 1, 2), (2, 0, 1)):
        folder = tmp_path / f"{order}"
        counts = []
        for i in order:
            done = import_into(folder, log_settings(), tmp_path / f"{i}.parquet")
            counts.append((done.tables[0].merged.n_new, done.tables[0].merged.n_known))
        prints.add(done.log.fingerprint)
        assert sum(new for new, _ in counts) == 600
    assert len(prints) == 1
    assert counts == [(200, 0), (300, 0), (100, 200)]


def test_equal_rows_are_one_event_unless_kept(tmp_path: Path) -> None:
    row = "1,2024-01-01,buy,5"
    log = written(tmp_path / "log.csv", HEAD, row, row, row, "1,2024-01-01,buy,6")
    merged = import_into(tmp_path / "drop", log_settings(), log).tables[0].merged
    assert (merged.n_new, merged.n_repeated) == (2, 2)
    keep = log_settings(duplicates="keep")
    merged = import_into(tmp_path / "keep", keep, log).tables[0].merged
    assert (merged.n_new, merged.n_repeated) == (4, 0)
    again = import_into(tmp_path / "keep", keep, log)
    assert (again.changed, again.tables[0].merged.n_known) == (False, 4)


def test_a_column_that_is_not_kept_tells_events_apart(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log.csv", f"{HEAD},order", "1,2024-01-01,buy,5,A", "1,2024-01-01,buy,5,B"
    )
    assert import_into(tmp_path, log_settings(), log).log.n_events == 2
    more = written(
        tmp_path / "more.csv", f"{HEAD},order,new",
        "1,2024-01-01,buy,5,B,x", "1,2024-01-01,buy,5,C,x",
    )  # fmt: skip
    merged = import_into(tmp_path, log_settings(), more).tables[0].merged
    assert (merged.n_new, merged.n_known) == (1, 1)


def test_a_key_of_ones_own_keeps_what_was_known_first(tmp_path: Path) -> None:
    told = {"key": ("order",), "known_at": "known"}
    log = written(
        tmp_path / "log.csv", f"{HEAD},order,known",
        "1,2024-01-01,buy,5,A,2024-01-09", "1,2024-01-01,buy,7,A,2024-01-02",
    )  # fmt: skip
    assert import_into(tmp_path, log_settings(**told), log).tables[0].merged.n_repeated == 1
    assert rows(tmp_path, "select v_amount from events") == [(700,)]
    later = written(
        tmp_path / "later.csv", f"{HEAD},order,known", "1,2024-01-01,buy,8,A,2024-02-02"
    )
    merged = import_into(tmp_path, log_settings(**told), later).tables[0].merged
    assert (merged.n_known, merged.n_changed, merged.n_new) == (1, 1, 0)
    assert rows(tmp_path, "select v_amount from events") == [(700,)]


def test_known_at_and_the_delay_of_arrival(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", f"{HEAD},seen", "1,2024-01-01,buy,5,2024-01-03 12:00")
    day = 86_400_000_000
    import_into(tmp_path / "a", log_settings(known_at="seen"), log)
    assert rows(tmp_path / "a", "select known_us - t_us from events") == [(2.5 * day,)]
    import_into(tmp_path / "b", log_settings(arrival_delay_days=0.5), log)
    assert rows(tmp_path / "b", "select known_us - t_us from events") == [(day // 2,)]
    assert import_into(tmp_path / "b", log_settings(), log).log.known_until_us is not None


def test_facts_of_the_future_do_not_make_labels_matured(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", HEAD, "1,2024-01-01,buy,5", "1,2204-01-01,buy,5")
    schema = import_into(tmp_path, log_settings(), log).log
    assert (schema.n_events, schema.n_future) == (2, 1)
    assert schema.known_until_us == schema.events_until_us == schema.first_us != schema.last_us


# --- what cannot be used -------------------------------------------------------------------


def test_broken_rows_are_set_aside_and_named(tmp_path: Path) -> None:
    good = [
        f"{i % 7 + 1},2024-01-{i % 28 + 1:02d} 10:00:{i % 60:02d},login,{i}.25" for i in range(600)
    ]
    broken = {
        100: (",2024-01-01,login,1", "customer", "has no customer"),
        200: ("1,2024-02-30,login,1", "time", "is no time"),
        300: ("1,2024-01-01,login,abc", "amount", "is no number"),
        400: ("1,2024-01-01,login", "", "has 3 values where the header has 4"),
        401: ("1,2024-01-01,login,1,extra", "", "has 5 values where the header has 4"),
        500: ("1,,login,1", "time", "has no time"),
        501: ("1,2024-01-01,,1", "type", "has no event type"),
        502: ("1,2024-01-01,login,1.005", "amount", "has more than 2 decimals"),
    }
    for place, (line, _, _) in sorted(broken.items()):
        good.insert(place, line)
    log = written(tmp_path / "log.csv", HEAD, *good)
    done = import_into(tmp_path, log_settings(), log).tables[0]
    assert (done.n_rows, done.n_rejected, done.merged.n_new) == (608, 8, 600)
    found = {int(row["row"]): row for row in _rejected(done.rejected_file)}
    lines = log.read_text().splitlines()
    assert {
        row - 2: (lines[row - 1], one["column"], one["reason"]) for row, one in found.items()
    } == broken
    assert {row["file"] for row in found.values()} == {str(log)}
    assert json.loads(found[302]["raw"]) == {
        "customer": "1", "time": "2024-01-01", "type": "login", "amount": "abc"
    }  # fmt: skip
    assert found[402]["raw"] == "1,2024-01-01,login"
    again = import_into(tmp_path, log_settings(), log)
    assert not again.changed
    assert again.tables[0].rejected_file == done.rejected_file
    assert len(list((tmp_path / "store" / "rejected").iterdir())) == 1


def test_too_many_broken_rows_end_the_import(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log.csv", HEAD, "1,01.02.2024,buy,1", "1,02.02.2024,buy,1", "1,2024-01-01,buy,1"
    )
    with pytest.raises(errors.TooManyBroken) as caught:
        import_into(tmp_path, log_settings(), log)
    assert "2 of 3 rows" in str(caught.value)
    assert "log.csv, row 2, column time: is no time" in str(caught.value)
    assert list((tmp_path / "store").rglob("*.*")) == []
    assert import_into(tmp_path, log_settings(max_broken_share=0.7), log).log.n_events == 1


@pytest.mark.parametrize(
    ("lines", "error", "place"),
    [
        (["customer,tim,type", "1,2024-01-01,buy"], errors.ColumnMissing, ("column", "time")),
        ([HEAD], errors.DataEmpty, ("file", "log.csv")),
        ([HEAD, '1,2024-01-01,"buy,1'], errors.DataUnreadable, ("row", "2")),
    ],
)  # fmt: skip
def test_a_source_that_is_no_log(
    tmp_path: Path, lines: list[str], error: type[errors.DataError], place: tuple[str, str]
) -> None:
    with pytest.raises(error) as caught:
        import_into(tmp_path, log_settings(), written(tmp_path / "log.csv", *lines))
    assert str(caught.value.where[place[0]]).endswith(place[1])
    assert not (tmp_path / "store" / "churnkit.duckdb").exists()


def test_sources_that_name_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in ("nothing-*.csv", "empty", "missing.csv"):
        with pytest.raises(errors.DataUnreadable):
            import_into(tmp_path, log_settings(), tmp_path / source)


def test_an_empty_file_among_others_is_named(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", HEAD)
    written(tmp_path / "b.csv", HEAD, "1,2024-01-01,buy,1")
    done = import_into(tmp_path, log_settings(), tmp_path / "*.csv")
    assert done.tables[0].empty == (str(tmp_path / "a.csv"),)
    assert done.log.n_events == 1


def test_other_settings_than_at_import_are_refused_until_rebuilt(tmp_path: Path) -> None:
    log = written(tmp_path / "log.csv", f"{HEAD},fee", "1,2024-01-01T23:30Z,buy,1,2")
    import_into(tmp_path, log_settings(), log)
    for other in (log_settings("Asia/Tokyo"), log_settings(values={"amount": 2, "fee": 0})):
        with pytest.raises(errors.LogChanged):
            import_into(tmp_path, other, log)
    import_into(tmp_path, log_settings("Asia/Tokyo"), log, rebuild=True)
    assert rows(tmp_path, "select dayno from events") == [(19_724,)]


# --- whole or not at all ----------------------------------------------------------------------


def test_cancelled_changes_nothing(tmp_path: Path) -> None:
    parquet.write_table(_log(200), tmp_path / "log.parquet")
    import_into(tmp_path, log_settings(), tmp_path / "log.parquet")
    before = (tmp_path / "store" / "churnkit.duckdb").read_bytes()
    parquet.write_table(_log(500, seed=5), tmp_path / "more.parquet")
    cancel = Cancel()
    cancel.cancel()
    request = Request("events", find_parts([str(tmp_path / "more.parquet")]))
    with pytest.raises(errors.Cancelled):
        import_log(
            log_settings(), [request], tmp_path / "store" / "churnkit.duckdb",
            tmp_path / "store" / "rejected", now=NOW, cancel=cancel,
        )  # fmt: skip
    assert (tmp_path / "store" / "churnkit.duckdb").read_bytes() == before
    assert [p.name for p in (tmp_path / "store").iterdir()] == ["churnkit.duckdb"]


@pytest.mark.parametrize("stage", ["reading the events", "adding the events", "describing the log"])
def test_killed_at_any_stage_leaves_the_log_as_it_was(tmp_path: Path, stage: str) -> None:
    parquet.write_table(_log(200), tmp_path / "log.parquet")
    import_into(tmp_path, log_settings(), tmp_path / "log.parquet")
    database = tmp_path / "store" / "churnkit.duckdb"
    before = database.read_bytes()
    parquet.write_table(_log(500, seed=5), tmp_path / "more.parquet")
    script = (
        "import os, signal, sys; from pathlib import Path;"
        "from churnkit.data.event_import import import_log;"
        "from churnkit.data.fact_import import Request;"
        "from churnkit.data.fact_sources import find_parts;"
        "from tests.data.event_logs import NOW, log_settings; folder = Path(sys.argv[1]);\n"
        "def die(step):\n"
        f"    if step.stage == {stage!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "request = Request('events', find_parts([str(folder / 'more.parquet')]));"
        "import_log(log_settings(), [request], folder / 'store/churnkit.duckdb',"
        " folder / 'store/rejected', now=NOW, progress=die)"
    )
    root = Path(__file__).parents[2]
    died = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert database.read_bytes() == before
    done = import_into(tmp_path, log_settings(), tmp_path / "more.parquet")
    assert done.log.n_events == 700


def test_a_reader_keeps_the_log_that_it_opened(tmp_path: Path) -> None:
    """The new file takes the old one's place in one step; the old one is never written to."""
    parquet.write_table(_log(200), tmp_path / "log.parquet")
    import_into(tmp_path, log_settings(), tmp_path / "log.parquet")
    database = tmp_path / "store" / "churnkit.duckdb"
    before = database.read_bytes()
    parquet.write_table(_log(500, seed=5), tmp_path / "more.parquet")
    with database.open("rb") as reader, duckdb.connect(str(database), read_only=True) as opened:
        import_into(tmp_path, log_settings(), tmp_path / "more.parquet")
        assert reader.read() == before
        assert opened.execute("select count(*) from events").fetchone() == (200,)
    assert rows(tmp_path, "select count(*) from events") == [(700,)]


# --- attributes and subscriptions ----------------------------------------------------------------


def test_attributes_with_versions(tmp_path: Path) -> None:
    settings = log_settings(
        tables={"attributes": {"source": ("a.csv",), "customer_id": "id", "valid_from": "since",
                               "known_at": "seen"}}
    )  # fmt: skip
    import_into(tmp_path, settings, written(tmp_path / "log.csv", HEAD, "1,2024-01-01,buy,1"))
    facts = written(
        tmp_path / "a.csv", "id,since,seen,plan,price,active",
        "1,2024-01-01,2024-01-02,basic,9.99,true", "1,2024-02-01,2024-02-01,pro,,false",
        "2,2024-01-01,2024-01-01,basic,5,", "2,2024-01-01,2024-01-01,basic,5,",
        "2,2024-03-01,2024-01-01,basic,cheap,", "2,2024-03-01,,basic,1,",
    )  # fmt: skip
    done = import_into(tmp_path, settings, facts, into="attributes")
    assert [(c.name, c.kind) for c in done.log.attributes] == [
        ("plan", "category"), ("price", "category"), ("active", "boolean")
    ]  # fmt: skip
    table = done.tables[0]
    assert (table.merged.n_new, table.merged.n_repeated, table.n_rejected) == (4, 1, 1)
    assert table.merged.n_new_customers == 1
    found = rows(
        tmp_path,
        "select customer_id, a_plan, a_price, a_active, "
        "(known_us - valid_from_us) / 86400000000 from attributes "
        "join customer_numbers using (customer_no) order by customer_id, valid_from_us",
    )
    assert found[:3] == [
        ("1", "basic", "9.99", True, 1), ("1", "pro", None, False, 0), ("2", "basic", "5", None, 0)
    ]  # fmt: skip
    again = import_into(tmp_path, settings, facts, into="attributes")
    assert (again.changed, again.tables[0].merged.n_known) == (False, 4)


def test_subscriptions_planned_and_observed(tmp_path: Path) -> None:
    told = {"source": ("s.csv",), "customer_id": "id", "start": "from", "end": "to"}
    periods = written(tmp_path / "s.csv", "id,from,to", "1,2024-01-01,2024-02-01", "1,2024-02-01,",
                      "2,2024-03-01,2024-02-01")  # fmt: skip
    log = written(tmp_path / "log.csv", HEAD, "1,2024-01-01,buy,1")
    days = ", ".join(f"{name} // 86400000000" for name in ("start_us", "end_us", "known_us"))
    sql = f"select {days} from subscriptions order by all"
    planned = log_settings(tables={"subscriptions": told})
    import_into(tmp_path / "p", planned, log)
    done = import_into(tmp_path / "p", planned, periods, into="subscriptions").tables[0]
    assert done.reasons[0].reason == "ends before it starts"
    assert rows(tmp_path / "p", sql) == [(19_723, 19_754, 19_723), (19_754, None, 19_754)]
    observed = log_settings(tables={"subscriptions": {**told, "ends": "observed"}})
    import_into(tmp_path / "o", observed, log)
    import_into(tmp_path / "o", observed, periods, into="subscriptions")
    assert rows(tmp_path / "o", sql) == [
        (19_723, 19_754, 19_754), (19_723, None, 19_723), (19_754, None, 19_754)
    ]  # fmt: skip
