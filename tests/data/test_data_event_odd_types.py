"""Columns of odd types: nothing ends in a traceback, and no value becomes another one."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from churnkit.data import sql_source
from churnkit.data.column_facts import read_sample
from churnkit.data.erasing import erase_from_file
from churnkit.data.event_import import LogImported, import_log
from churnkit.data.event_roles import Told, guess_log, recognise
from churnkit.data.event_times import parse_times
from churnkit.data.fact_import import Request
from churnkit.data.fact_sources import find_parts
from churnkit.data.sources import open_source
from churnkit.errors import AmbiguousLog, DataUnreadable
from tests.data.event_logs import NOW, import_into, log_settings, rows, written

HEAD = "customer,time,type,amount"


def _log(folder: Path, **columns: pa.Array) -> LogImported:
    given = {
        "customer": pa.array(["a", "b", "c"]),
        "time": pa.array([0, 1_000_000, 2_000_000], pa.timestamp("us")),
        "type": pa.array(["buy"] * 3),
        "amount": pa.array([1, 2, 3]),
        **columns,
    }
    parquet.write_table(pa.table(given), folder / "log.parquet")
    return import_into(folder, log_settings(max_broken_share=0.7), folder / "log.parquet")


@pytest.mark.parametrize(
    "times",
    [
        pa.array([19_000, 2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32()),
        pa.array([1_700_000_000_000, 2**63 - 1, -(2**63) + 1]).cast(pa.timestamp("ms")),
        # One more turn of 64 bits in microseconds: a cast that wraps would read 2023-11-14.
        pa.array([1_700_000_000_000, 18_446_744_073_709_552 + 1_700_000_000_000, -(10**16)]).cast(
            pa.timestamp("ms", tz="UTC")
        ),
        pa.array([1_700_000_000_000_000, 2**63 - 1, -(2**63) + 1]).cast(pa.timestamp("us")),
    ],
)
def test_moments_beyond_the_calendar_are_set_aside(times: pa.Array, tmp_path: Path) -> None:
    done = _log(tmp_path, time=times).tables[0]
    assert (done.merged.n_new, done.n_rejected) == (1, 2)
    assert done.reasons[0].reason == "is no time"
    raw = Path(done.rejected_file).read_text(encoding="utf-8")
    assert str(times.cast(pa.int32() if pa.types.is_date(times.type) else pa.int64())[1]) in raw


def test_nanoseconds_are_cut_off_as_in_text() -> None:
    """Before 1970, too, where arrow's cast would go to the next microsecond."""
    native = parse_times(pa.array([-1_500, 1_500]).cast(pa.timestamp("ns")), form="", zone="UTC")
    text = pa.array(["1969-12-31T23:59:59.999998500", "1970-01-01T00:00:00.000001500"])
    assert native.us.tolist() == parse_times(text, form="", zone="UTC").us.tolist() == [-2, 1]


def test_numbers_of_odd_types(tmp_path: Path) -> None:
    amounts = {
        "u": pa.array([1, 2**64 - 1, None], pa.uint64()),
        "h": pa.array(np.array([0.5, np.inf, np.nan], np.float16)),
    }
    for name, amount in amounts.items():
        (tmp_path / name).mkdir()
        done = _log(tmp_path / name, amount=amount).tables[0]
        assert (done.merged.n_new, [r.reason for r in done.reasons]) == (2, ["is too large"])


def test_bytes_are_the_text_that_they_hold(tmp_path: Path) -> None:
    ids = pa.array([b"a", "é".encode(), b"\xff\x00"], pa.binary())
    _log(tmp_path, customer=ids, type=pa.array([b"buy"] * 3).cast(pa.binary(3)))
    assert rows(
        tmp_path,
        "select customer_id, event_type from events join customer_numbers using (customer_no) "
        "order by t_us",
    ) == [("a", "buy"), ("é", "buy"), ("ff00", "buy")]


def test_a_querys_column_of_several_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's values have types, not its columns; 2.5 after a batch of whole numbers stays 2.5."""
    monkeypatch.setattr(sql_source, "_BATCH_ROWS", 200)
    url = f"sqlite:///{tmp_path / 'log.sqlite'}"
    with sqlite3.connect(tmp_path / "log.sqlite") as database:
        database.execute("create table log (customer, time, type, amount)")
        database.executemany(
            "insert into log values (?, ?, 'buy', ?)",
            [
                (i % 3 if i % 2 else str(i % 3), f"2024-01-01 {i // 3600:02d}:{i // 60 % 60:02d}"
                 f":{i % 60:02d}", 1 if i < 200 else 2.5 if i < 210 else "oops")
                for i in range(211)
            ],
        )  # fmt: skip
    database.close()
    parts = find_parts([url])
    roles = guess_log(read_sample(parts, query="select * from log"), parts,
                      Told(customer_id="customer"), query="select * from log")  # fmt: skip
    assert roles.values == {"amount": 1}
    done = import_log(
        log_settings(values={"amount": 1}), [Request("events", parts, "select * from log")],
        tmp_path / "store" / "churnkit.duckdb", tmp_path / "rejected", now=NOW,
    ).tables[0]  # fmt: skip
    assert (done.merged.n_new, done.merged.n_new_customers, done.n_rejected) == (210, 3, 1)
    assert "row 211, column amount: is no number" in done.first_rejected
    assert rows(tmp_path, "select sum(v_amount), max(v_amount) from events") == [(2_250, 25)]
    with pytest.raises(DataUnreadable, match=r"2\.5 is no int64") as caught:
        list(open_source(url, query="select amount from log").batches())
    assert (caught.value.where["row"], caught.value.where["column"]) == (201, "amount")


def test_the_first_file_may_be_empty(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", HEAD)
    written(tmp_path / "b.csv", HEAD, "1,2024-01-01,buy,1", "1,2024-01-02,buy,2")
    (tmp_path / "0.csv").touch()
    sample = read_sample(find_parts([str(tmp_path / "*.csv")]))
    assert sample.table.num_rows == 2
    broken = written(tmp_path / "c" / "c.csv", "customer,time", "1,2,3", "1,2,3")
    with pytest.raises(DataUnreadable, match="as many values as the header"):
        read_sample(find_parts([str(broken)]))


def test_times_with_am_and_pm() -> None:
    text = pa.array(["3/1/2024 12:05 AM", "3/1/2024 1:05:09 pm", "3/1/2024 12:00PM",
                     "3/1/2024 13:00 PM", "3/1/2024 0:10 am"])  # fmt: skip
    read = parse_times(text, form="mm/dd/yyyy", zone="UTC")
    start = 1_709_251_200_000_000
    assert read.bad.tolist() == [False] * 3 + [True] * 2
    assert [(us - start) // 1_000_000 for us in read.us[:3].tolist()] == [300, 47_109, 43_200]


def test_a_log_whose_times_are_odd_is_no_snapshot(tmp_path: Path) -> None:
    lines = [f"{i % 5},{'2024-03-11' if i % 2 else '11/03/2024'}" for i in range(40)]
    path = written(tmp_path / "log.csv", "customer_id,event_time", *lines)
    sample = read_sample(find_parts([str(path)]))
    kind, ground = recognise(sample, 1)
    assert kind == "odd" and "'event_time' holds no times" in ground
    with pytest.raises(AmbiguousLog, match="11/03/2024"):
        guess_log(sample, find_parts([str(path)]), Told(event_time="event_time"))


def test_broken_values_do_not_make_an_attribute_text(tmp_path: Path) -> None:
    """One in a hundred is set aside; prices are still numbers, with the mark of the file."""
    facts = {"source": ("a.csv",), "customer_id": "id", "valid_from": "since"}
    lines = [f"{i};2024-01-01;1.2{i % 10}0,5;{i % 2 == 0};0{i}" for i in range(100)]
    path = written(tmp_path / "a.csv", "id;since;price;vip;zip", *lines,
                   "7;2024-01-02;cheap;true;01", "8;2024-01-02;1;maybe;01")  # fmt: skip
    log = written(tmp_path / "log.csv", HEAD, "1,2024-01-01,buy,1")
    settings = log_settings(tables={"attributes": {**facts, "decimal_mark": ","}})
    import_into(tmp_path, settings, log)
    done = import_into(tmp_path, settings, path, into="attributes")
    assert [column.kind for column in done.log.attributes] == ["number", "boolean", "category"]
    assert [r.reason for r in done.tables[0].reasons] == [
        "is no number", "is neither true nor false",
    ]  # fmt: skip
    assert rows(tmp_path, "select max(a_price) from attributes") == [(1_290.5,)]
    aside = Path(done.tables[0].rejected_file).read_text(encoding="utf-8").splitlines()
    assert json.loads(aside[1].split(",", 4)[4][1:-1].replace('""', '"'))["price"] == "cheap"


def test_a_rebuild_makes_an_event_of_the_same_columns(tmp_path: Path) -> None:
    """A later file with a column more repeats events of an earlier one, rebuilt or not."""
    lines = ["1,2024-01-01,buy,1", "1,2024-01-02,buy,2"]
    first = written(tmp_path / "a.csv", HEAD, *lines)
    second = pa.table(
        {
            "customer": ["1", "1", "2"],
            "time": ["2024-01-01", "2024-01-02", "2024-01-03"],
            "type": ["buy"] * 3,
            "amount": [1.0, 2.0, 3.0],
            "note": ["x", "y", "z"],
            "__index_level_0__": [7, 8, 9],
        }
    )
    parquet.write_table(second, tmp_path / "b.parquet")
    import_into(tmp_path, log_settings(), first)
    added = import_into(tmp_path, log_settings(), tmp_path / "b.parquet")
    assert (added.log.n_events, added.tables[0].merged.n_known) == (3, 2)
    rebuilt = import_into(tmp_path, log_settings(), first, tmp_path / "b.parquet", rebuild=True)
    assert rebuilt.log.fingerprint == added.log.fingerprint
    # A column that all files have by now does tell events apart; a table's index never does.
    alone = import_into(tmp_path, log_settings(), tmp_path / "b.parquet", rebuild=True)
    moved = second.set_column(5, "__index_level_0__", pa.array([70, 80, 90]))
    parquet.write_table(moved, tmp_path / "c.parquet")
    again = import_into(tmp_path, log_settings(), tmp_path / "c.parquet")
    assert (alone.log.n_events, again.changed) == (3, False)
    noted = moved.set_column(4, "note", pa.array(["x", "y", "other"]))
    parquet.write_table(noted, tmp_path / "d.parquet")
    assert import_into(tmp_path, log_settings(), tmp_path / "d.parquet").log.n_events == 4


def test_a_file_of_two_encodings_spoils_no_name(tmp_path: Path) -> None:
    """Rows of the rarer one are set aside; the others are what they are."""
    lines = [f"Jürgen{i % 3},2024-01-{i % 28 + 1:02d},buy,{i}" for i in range(300)]
    content = [f"{HEAD}\n".encode(), *(f"{line}\n".encode() for line in lines)]
    content[100] = content[100].decode().encode("latin-1")
    content[200:200] = ["Zoë,2024-01-01,bûy,7\n".encode("cp1252"), b"1,2024\n"]
    (tmp_path / "log.csv").write_bytes(b"".join(content))
    done = import_into(tmp_path, log_settings(), tmp_path / "log.csv").tables[0]
    assert (done.n_rows, done.n_rejected) == (302, 3)
    names = rows(tmp_path, "select customer_id from customer_numbers order by 1")
    assert names == [("Jürgen0",), ("Jürgen1",), ("Jürgen2",)]
    aside = Path(done.rejected_file).read_text(encoding="utf-8").splitlines()[1:]
    assert sorted(int(line.split(",")[1]) for line in aside) == [101, 201, 202]
    assert "no UTF-8" in "".join(aside)
    (tmp_path / "all.csv").write_bytes("\n".join([HEAD, *lines]).encode("latin-1"))
    assert (
        import_into(tmp_path / "l", log_settings(), tmp_path / "all.csv").tables[0].n_rejected == 0
    )
    dated = [
        b"customer time amount\r\n",
        *(f"Ä{i}  2024-01-0{i % 9 + 1} {i}\r\n".encode() for i in range(40)),
    ]
    dated[9] = dated[9].decode().encode("latin-1")
    (tmp_path / "blank.txt").write_bytes(b"".join(dated))
    told = log_settings(event_type="")
    assert import_into(tmp_path / "b", told, tmp_path / "blank.txt").tables[0].n_rejected == 1


def test_an_erased_customer_is_found_in_odd_files(tmp_path: Path) -> None:
    parquet.write_table(
        pa.table({"id": pa.array([b"a", b"b"]), "x": [1, 2]}), tmp_path / "a.parquet"
    )
    assert erase_from_file(tmp_path / "a.parquet", "a", ["id"]) == 1
    assert parquet.read_table(tmp_path / "a.parquet").to_pydict() == {"id": [b"b"], "x": [2]}
    head, torn = b"id,x\n", "Zoë,1\n".encode("latin-1")
    (tmp_path / "a.csv").write_bytes(head + "Jürgen,1\nÄnne,2\n".encode() + torn)
    assert erase_from_file(tmp_path / "a.csv", "Jürgen", ["id"]) == 1
    assert (tmp_path / "a.csv").read_bytes() == head + "Änne,2\n".encode() + torn
