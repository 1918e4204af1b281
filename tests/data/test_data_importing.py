"""An import gives types, is the same from every file, and happens whole or not at all."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from churnkit import errors
from churnkit.data import importing
from churnkit.data.comparing import compare_schemas
from churnkit.data.importing import import_table, read_blanks
from churnkit.data.reading import find_customer, read_arrow, read_schema
from churnkit.data.samples.locate import telco_path
from churnkit.data.sources import open_source
from churnkit.domain.columns import TableSchema
from churnkit.domain.progress import Cancel, Step


def _import(folder: Path, text: str) -> tuple[TableSchema, pa.Table]:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    schema = import_table(open_source(path), folder / "a.duckdb")
    assert read_schema(folder / "a.duckdb") == schema
    return schema, read_arrow(folder / "a.duckdb")


def _column(folder: Path, *values: str) -> tuple[str, list[object]]:
    schema, table = _import(folder, "\n".join(["c;beside", *(f"{value};x" for value in values)]))
    return schema.columns[0].kind, table.column("c").to_pylist()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "", "3"], "number", [1, None, 3]),
        (["1.5", "NA", " "], "number", [1.5, None, None]),
        (["1.234,56", "7,5", ""], "number", [1234.56, 7.5, None]),
        (["1,234.56", "7"], "number", [1234.56, 7.0]),
        (["0,567", "0,123"], "number", [0.567, 0.123]),
        (["00123", "00007"], "category", ["00123", "00007"]),
        (["Unknown", "", "None"], "category", ["Unknown", None, "None"]),
        (["Yes", "No"], "category", ["Yes", "No"]),
        (["true", "FALSE", ""], "boolean", [True, False, None]),
        (["9007199254740993", "1"], "category", ["9007199254740993", "1"]),
        (["03/04/2020", "04/03/2020"], "category", ["03/04/2020", "04/03/2020"]),
        (["31.02.2020", "01.02.2020"], "category", ["31.02.2020", "01.02.2020"]),
    ],
)
def test_types(values: list[str], kind: str, expected: list[object], tmp_path: Path) -> None:
    assert _column(tmp_path, *values) == (kind, expected)


@pytest.mark.parametrize("text", ["2020-12-31", "31.12.2020", "12/31/2020", "2020-12-31T01:00+01"])
def test_dates(text: str, tmp_path: Path) -> None:
    kind, (value, absent) = _column(tmp_path, text, "")
    assert (kind, absent) == ("time", None)
    assert str(value) == "2020-12-31 00:00:00+00:00"


@pytest.mark.parametrize("bad", ["inf", "-Infinity", "1e999"])
def test_infinity_is_placed(bad: str, tmp_path: Path) -> None:
    with pytest.raises(errors.BadValue) as caught:
        _column(tmp_path, "1.5", bad)
    assert (caught.value.where["row"], caught.value.where["column"]) == (3, "c")


def test_telco(tmp_path: Path) -> None:
    database = tmp_path / "t.duckdb"
    schema = import_table(open_source(telco_path()), database)
    assert schema.n_rows == 7_043
    assert read_blanks(database) == {"TotalCharges": 11}
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds["TotalCharges"] == kinds["SeniorCitizen"] == "number"
    assert kinds["Churn"] == "category"
    assert find_customer(database, "customerID", " 7590-VHVEG ")["tenure"] == 1
    assert find_customer(database, "", "1")["customerID"] == "7590-VHVEG"
    with pytest.raises(errors.UnknownCustomer):
        find_customer(database, "customerID", "nobody")
    with pytest.raises(errors.DuplicateIds):
        find_customer(database, "SeniorCitizen", "0")
    with pytest.raises(errors.DataEmpty, match="churnkit init"):
        read_schema(tmp_path / "nowhere.duckdb")


_texts = st.text(st.sampled_from("aZé;,|\"' \nß-"), min_size=1, max_size=6).map(
    lambda text: f"t{text}t"
)
_numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 2) + 0.0)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(st.integers(-(10**6), 10**6), st.none() | _numbers, st.none() | _texts),
        min_size=1,
        max_size=12,
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    mark=st.sampled_from([".", ","]),
)
def test_the_same_rows_from_csv_and_parquet(
    rows: list[tuple[int, float | None, str | None]],
    delimiter: str,
    encoding: str,
    mark: str,
    tmp_path: Path,
) -> None:
    # One fraction shows which mark the file uses, and the types of columns that are else empty.
    rows = [*rows, (1, 0.25, "tat")]
    table = pa.table(
        {
            "n": pa.array([row[0] for row in rows], pa.int64()),
            "x": pa.array([row[1] for row in rows], pa.float64()),
            "t": pa.array([row[2] for row in rows], pa.string()),
        }
    )
    lines = ["n\0x\0t"]
    for n, x, t in rows:
        number = "" if x is None else f"{x:.2f}".replace(".", mark)
        text = "" if t is None else '"' + t.replace('"', '""') + '"'
        lines.append(f'{n}\0"{number}"\0{text}')
    text = "\n".join(lines).replace("\0", delimiter) + "\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    parquet.write_table(table, tmp_path / "a.parquet")
    from_csv = import_table(open_source(tmp_path / "a.csv"), tmp_path / "csv.duckdb")
    from_parquet = import_table(open_source(tmp_path / "a.parquet"), tmp_path / "pq.duckdb")
    assert from_csv.fingerprint == from_parquet.fingerprint
    read = read_arrow(tmp_path / "csv.duckdb")
    assert read.column("t").to_pylist() == table.column("t").to_pylist()
    for got, put in zip(read["x"].to_pylist(), table["x"].to_pylist(), strict=True):
        assert (got is None) == (put is None)
        assert got is None or math.isclose(got, put)
    assert read.equals(read_arrow(tmp_path / "pq.duckdb"))


def test_one_value_changes_the_fingerprint(tmp_path: Path) -> None:
    one, _ = _import(tmp_path, "a,b\n1,x\n2,\n")
    for other in ("a,b\n1,x\n3,\n", "a,b\n1,x\n2,y\n", "a,c\n1,x\n2,\n", "a,b\n2,\n1,x\n"):
        assert _import(tmp_path, other)[0].fingerprint != one.fingerprint


class _Broken:
    """Some rows, then a failure."""

    name, row_offset = "broken", 1

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def columns(self) -> tuple[str, ...]:
        return ("a",)

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"a": [1, 2]})
        raise self.error


def test_a_failed_import_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _import(tmp_path, "a,b\n1,x\n")
    database = tmp_path / "a.duckdb"
    before = database.read_bytes()
    files = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        import_table(_Broken(KeyboardInterrupt()), database)
    asked = Cancel()

    def stop(step: Step) -> None:
        asked.cancel()

    with pytest.raises(errors.Cancelled):
        import_table(open_source(tmp_path / "a.csv"), database, progress=stop, cancel=asked)
    for code, expected in ((errno.ENOSPC, errors.DiskFull), (errno.EROFS, errors.FolderReadOnly)):

        def refuse(*_: object, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(importing, "_fill", refuse)
        with pytest.raises(expected):
            import_table(open_source(tmp_path / "a.csv"), database)
        monkeypatch.undo()
    assert database.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == files
    assert read_arrow(database).num_rows == 1


def test_a_damaged_database(tmp_path: Path) -> None:
    _import(tmp_path, "a,b\n1,x\n")
    (tmp_path / "a.duckdb").write_bytes(b"something else" * 1000)
    with pytest.raises(errors.DataUnreadable, match="damaged"):
        read_arrow(tmp_path / "a.duckdb")


def test_changes_of_the_schema(tmp_path: Path) -> None:
    before, _ = _import(tmp_path, "a,b,c,d,e\n1,x,1,2,q\n2,y,2,3,q\n")
    after, _ = _import(tmp_path, "a,b,c,f,e\n1.5,x,,2,7\n2,z,,3,8\n")
    found = {(change.column, change.change) for change in compare_schemas(before, after)}
    assert found == {
        ("b", "new_categories"), ("b", "lost_categories"),
        ("d", "missing"), ("f", "new"), ("e", "retyped"),
    }  # fmt: skip
    assert not compare_schemas(before, before)
    assert {c.column for c in compare_schemas(before, after, ignore=["b", "d", "f"])} == {"e"}


def test_wide_table(tmp_path: Path) -> None:
    csv.write_csv(pa.table({f"n{i}": [0.5, 1.5] for i in range(5_000)}), tmp_path / "w.csv")
    schema = import_table(open_source(tmp_path / "w.csv"), tmp_path / "w.duckdb")
    assert {column.kind for column in schema.columns} == {"number"}
