"""The same customers are the same table, whatever file they come in."""

from __future__ import annotations

import errno
import os
import string
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from churnkit import errors
from churnkit.data.comparing import compare_schemas
from churnkit.data.importing import import_table, read_blanks
from churnkit.data.reading import find_customer, read_arrow, read_schema
from churnkit.data.samples.locate import telco_path
from churnkit.data.scoring_input import extra_columns, stream_typed
from churnkit.data.sources import open_source
from churnkit.data.writing import open_writer
from churnkit.domain.columns import ModelInput, ModelSchema, TableSchema
from churnkit.domain.progress import Cancel, Step


def _imported(path: Path | str, folder: Path, **options: str) -> tuple[TableSchema, pa.Table]:
    database = folder / "store" / "c.duckdb"
    schema = import_table(open_source(path, **options), database)
    assert read_schema(database) == schema
    return schema, read_arrow(database)


def _text(folder: Path, content: str, *, encoding: str = "utf-8", name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


# --- one meaning, many files ------------------------------------------------------------------

words = st.text(string.ascii_letters + " äéßł,;|\t\"'\n", min_size=1, max_size=8).filter(
    lambda text: text.strip() == text and text.strip("-?") != "" and text.lower() not in
    {"na", "nan", "null", "none", "nil", "n", "true", "false", "inf", "infinity"}
)  # fmt: skip
tables = st.integers(2, 12).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "whole": st.lists(st.integers(-(10**6), 10**6), min_size=n, max_size=n),
            "real": st.lists(
                st.integers(-(10**7), 10**7).map(lambda i: i / 1000) | st.none(),
                min_size=n,
                max_size=n,
            ),
            "word": st.lists(words, min_size=n, max_size=n),
            "truth": st.lists(st.booleans(), min_size=n, max_size=n),
            "moment": st.lists(
                st.integers(0, 4 * 10**9).map(lambda s: datetime.fromtimestamp(s, UTC)),
                min_size=n,
                max_size=n,
            ),
        }
    )
)


def _as_csv(table: dict[str, list[Any]], delimiter: str, mark: str) -> str:
    def shown(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            return f"{value:.3f}".replace(".", mark)
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        return '"' + str(value).replace('"', '""') + '"' if isinstance(value, str) else str(value)

    rows = zip(*table.values(), strict=True)
    lines = [delimiter.join(table)] + [
        delimiter.join(f'"{part}"' if mark in part and part[:1] != '"' else part for part in parts)
        for parts in ([shown(value) for value in row] for row in rows)
    ]
    return "\r\n".join(lines) + "\r\n"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=tables,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    mark=st.sampled_from([".", ","]),
)
def test_csv_and_parquet_of_the_same_rows_are_the_same(
    content: dict[str, list[Any]], delimiter: str, encoding: str, mark: str, tmp_path: Path
) -> None:
    # One unmistakable value says which mark the file has.
    content["real"][0] = 1234.5
    path = tmp_path / "t.csv"
    path.write_bytes(_as_csv(content, delimiter, mark).encode(encoding))
    schema, table = _imported(path, tmp_path)
    assert table.column_names == list(content)
    for name, values in content.items():
        assert table[name].to_pylist() == values, name
    parquet.write_table(pa.table(content), tmp_path / "t.parquet")
    again, _ = _imported(tmp_path / "t.parquet", tmp_path)
    assert again.fingerprint == schema.fingerprint
    assert [column.kind for column in again.columns] == [column.kind for column in schema.columns]


def test_every_cell_counts_for_the_fingerprint(tmp_path: Path) -> None:
    base = {"a": [1, 2, 3], "b": ["x", "y", None], "c": [True, False, None]}
    seen = set()
    for change in ({}, {"a": [1, 2, 4]}, {"b": ["x", None, "y"]}, {"b": ["xy", "", None]},
                   {"c": [True, None, None]}):  # fmt: skip
        parquet.write_table(pa.table({**base, **change}), tmp_path / "t.parquet")
        seen.add(_imported(tmp_path / "t.parquet", tmp_path)[0].fingerprint)
    assert len(seen) == 5


def test_telco_in_excel_and_sql_is_telco(tmp_path: Path) -> None:
    _, table = _imported(telco_path(), tmp_path)
    few = table.slice(0, 300)
    parquet.write_table(few, tmp_path / "few.parquet")
    expected, _ = _imported(tmp_path / "few.parquet", tmp_path)
    assert read_blanks(tmp_path / "store" / "c.duckdb") == {}
    book = openpyxl.Workbook()
    sheet = book.create_sheet("customers")
    sheet.append(few.column_names)
    for row in few.to_pylist():
        sheet.append(list(row.values()))
    book.save(tmp_path / "t.xlsx")
    told, _ = _imported(tmp_path / "t.xlsx", tmp_path, sheet="customers")
    assert told.fingerprint == expected.fingerprint
    with pytest.raises(errors.DataUnreadable, match="customers"):
        open_source(tmp_path / "t.xlsx", sheet="custmers")
    url = f"sqlite:///{tmp_path / 'd.sqlite'}"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    few.to_pandas().to_sql("people", engine, index=False)
    engine.dispose()
    told, _ = _imported(url, tmp_path, query="select * from people order by rowid")
    assert told.fingerprint == expected.fingerprint


def test_blanks_of_telco_are_missing(tmp_path: Path) -> None:
    schema, table = _imported(telco_path(), tmp_path)
    assert table["TotalCharges"].null_count == 11
    assert read_blanks(tmp_path / "store" / "c.duckdb") == {"TotalCharges": 11}
    column = schema.column("TotalCharges")
    assert column is not None
    assert column.kind == "number"


# --- types ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", "3"], "number"),
        (["1.5", "NA", "?"], "number"),
        (["1,234.50", "12.00", "999,999"], "number"),
        (["00123", "01000", "99999"], "category"),
        (["12345678901234567890", "1", "2"], "category"),
        (["true", "False", "TRUE"], "boolean"),
        (["Yes", "No", "Yes"], "category"),
        (["2024-02-29", "2023-01-01", "1999-12-31"], "time"),
        (["2024-02-30", "2023-01-01", "1999-12-31"], "category"),
        (["31.12.2024", "01.02.2023", "15.05.2022"], "time"),
        (["03/04/2024", "05/06/2024", "01/02/2024"], "category"),
        (["25/04/2024", "05/06/2024", "01/02/2024"], "time"),
        (["Unknown", "None", "x"], "category"),
        (["1", "2", "three"], "category"),
    ],
)
def test_types_are_found(values: list[str], kind: str, tmp_path: Path) -> None:
    body = "".join(f'{i},"{value}"\n' for i, value in enumerate(values))
    schema, _ = _imported(_text(tmp_path, "id,x\n" + body), tmp_path)
    assert schema.columns[1].kind == kind


def test_latin_1_is_read(tmp_path: Path) -> None:
    content = "id,city\n" + "".join(f"{i},Zürich Genève São Paulo\n" for i in range(40))
    _, table = _imported(_text(tmp_path, content, encoding="latin-1"), tmp_path)
    assert table["city"][0].as_py() == "Zürich Genève São Paulo"


# --- files that are none ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected", "where"),
    [
        ("", errors.DataEmpty, {}),
        ("  \n\n", errors.DataEmpty, {}),
        ("a,b\n", errors.DataEmpty, {}),
        ("a,b\n1,2\n1,2,3\n", errors.DataUnreadable, {"row": 3}),
        ("a,a\n1,2\n", errors.DataUnreadable, {"column": "a"}),
        ("a,A\n1,2\n", errors.DataUnreadable, {"column": "A"}),
        ("a,b\n1,2\n3,inf\n", errors.BadValue, {"row": 3, "column": "b"}),
        ("__row,b\n1,2\n", errors.DataUnreadable, {}),
    ],
)
def test_a_broken_file_is_placed(
    content: str, expected: type[errors.ChurnkitError], where: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(expected) as caught:
        _imported(_text(tmp_path, content), tmp_path)
    assert where.items() <= caught.value.where.items()
    assert caught.value.fix
    store = tmp_path / "store"
    assert not store.exists() or list(store.iterdir()) == []


def test_too_many_columns(tmp_path: Path) -> None:
    content = ",".join(f"c{i}" for i in range(10_001)) + "\n" + ",".join(["1"] * 10_001) + "\n"
    with pytest.raises(errors.TooManyColumns, match="10,001"):
        _imported(_text(tmp_path, content), tmp_path)


def test_a_database_that_is_not_there_shows_no_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg2://me:secret@127.0.0.1:9/none"
    with pytest.raises(errors.StorageUnreachable) as caught:
        _imported(url, tmp_path, query="select 1")
    assert "secret" not in str(caught.value)
    with pytest.raises(errors.DataUnreadable, match="--query"):
        open_source(url)


def test_whatever_fails_the_old_table_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before = _imported(_text(tmp_path, "id,x\n1,2\n"), tmp_path)
    newer = _text(tmp_path, "id,x\n1,3\n", name="newer.csv")
    database = tmp_path / "store" / "c.duckdb"
    cancel = Cancel()
    cancel.cancel()
    with pytest.raises(errors.Cancelled):
        import_table(open_source(newer), database, cancel=cancel)

    def interrupt(step: Step) -> None:
        if "writing" in step.stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_table(open_source(newer), database, progress=interrupt)
    for number, expected in ((errno.ENOSPC, errors.DiskFull), (errno.EROFS, errors.FolderReadOnly)):

        def refuse(*_: object, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", refuse)
            with pytest.raises(expected):
                import_table(open_source(newer), database)
    assert read_arrow(database).equals(before)
    assert [path.name for path in database.parent.iterdir()] == [database.name]


# --- customers, differences -------------------------------------------------------------------


def test_a_customer_is_found_by_text(tmp_path: Path) -> None:
    _imported(_text(tmp_path, "id,x\n7,a\n8,b\n8,c\n"), tmp_path)
    database = tmp_path / "store" / "c.duckdb"
    assert find_customer(database, "id", "7") == {"id": 7, "x": "a"}
    assert find_customer(database, "", "2")["x"] == "b"
    with pytest.raises(errors.DuplicateIds):
        find_customer(database, "id", "8")
    with pytest.raises(errors.UnknownCustomer):
        find_customer(database, "id", "7' or '1'='1")
    with pytest.raises(errors.ColumnMissing):
        find_customer(database, "nobody", "7")


def test_differences_are_named(tmp_path: Path) -> None:
    before, _ = _imported(_text(tmp_path, "id,x,y,z\n1,a,2,q\n2,b,3,q\n"), tmp_path)
    after, _ = _imported(_text(tmp_path, "id,x,y,w\n1,a,u,q\n2,c,v,q\n"), tmp_path)
    found = {(change.column, change.change) for change in compare_schemas(before, after)}
    assert found == {
        ("x", "new_categories"),
        ("x", "lost_categories"),
        ("y", "retyped"),
        ("z", "missing"),
        ("w", "new"),
    }
    assert compare_schemas(before, before) == ()
    assert {c.column for c in compare_schemas(before, after, ignore=["x", "y"])} == {"z", "w"}


# --- files to be scored -----------------------------------------------------------------------

SCHEMA = ModelSchema(
    inputs=(
        ModelInput(name="amount", kind="number"),
        ModelInput(name="senior", kind="boolean"),
        ModelInput(name="plan", kind="category", categories=("a", "b")),
    ),
    id_column="id",
    target="churn",
    positive="Yes",
)


def _scored(path: Path) -> dict[str, list[Any]]:
    (batch,) = stream_typed(open_source(path), SCHEMA)
    return {"id": batch.ids.to_pylist(), **{k: v.to_pylist() for k, v in batch.columns.items()}}


def test_a_table_is_read_in_the_models_types(tmp_path: Path) -> None:
    path = _text(tmp_path, "plan;id;extra;amount;senior\na;7;x;1.234,5;true\n;8;y;;0\nnew;9;;NA;\n")
    assert _scored(path) == {
        "id": ["7", "8", "9"],
        "amount": [1234.5, None, None],
        "senior": [1.0, 0.0, None],
        "plan": ["a", None, "new"],
    }
    assert extra_columns(open_source(path), SCHEMA) == ("extra",)


@pytest.mark.parametrize(
    ("row", "column"),
    [("x,7,a,1", "amount"), ("inf,7,a,1", "amount"), ("1,7,a,maybe", "senior"), ("1,,a,1", "id")],
)
def test_a_bad_value_is_placed(row: str, column: str, tmp_path: Path) -> None:
    path = _text(tmp_path, f"amount,id,plan,senior\n1,1,a,0\n{row}\n")
    with pytest.raises(errors.BadValue) as caught:
        _scored(path)
    assert caught.value.where["column"] == column
    assert caught.value.where["row"] == 3


def test_missing_columns_are_named_together(tmp_path: Path) -> None:
    path = _text(tmp_path, "id,Amount\n1,2\n")
    with pytest.raises(errors.ColumnMissing) as caught:
        _scored(path)
    assert all(name in str(caught.value) for name in ("amount", "senior", "plan", "Amount"))


def test_many_rows_come_in_batches(tmp_path: Path) -> None:
    n = 150_000
    table = pa.table({"id": range(n), "amount": range(n), "senior": [True] * n, "plan": ["a"] * n})
    parquet.write_table(table, tmp_path / "t.parquet")
    batches = list(stream_typed(open_source(tmp_path / "t.parquet"), SCHEMA))
    assert len(batches) > 2
    assert sum(len(batch.ids) for batch in batches) == n
    assert batches[-1].ids[-1].as_py() == str(n - 1)
    assert batches[1].first_row == len(batches[0].ids)


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_an_output_appears_whole_or_not_at_all(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    table = pa.table({"a": [1, 2], "b": ['x, "y"', None]})
    with open_writer(path) as writer:
        writer.write(table)
        assert not path.exists()
    read = csv.read_csv(path) if name.endswith("csv") else parquet.read_table(path)
    assert read["a"].to_pylist() == [1, 2]
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), open_writer(path) as writer:
        writer.write(table)
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_an_output_of_another_kind_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(errors.DataUnreadable, match=r"\.csv or \.parquet"),
        open_writer(tmp_path / "o.xlsx"),
    ):
        pass
