"""Files of every kind are read as they are; broken ones say what is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import parquet

from churnkit import errors
from churnkit.data.sources import open_source


def _rows(path: Path) -> list[dict[str, object]]:
    source = open_source(path)
    return [row for batch in source.batches() for row in batch.to_pylist()]


def _file(folder: Path, content: bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_delimiters_and_encodings(
    encoding: str, delimiter: str, ending: str, tmp_path: Path
) -> None:
    text = '\nnom|paye|\nMüller|"Chèque| ""posté""\net plus"|1\n'.replace("|", "\0")
    text = text.replace("Chèque\0 ", f"Chèque{delimiter} ").replace("\0", delimiter)
    raw = text.encode(encoding)
    path = _file(tmp_path, gzip.compress(raw) if ending.endswith("gz") else raw, "a" + ending)
    assert _rows(path) == [
        {"nom": "Müller", "paye": f'Chèque{delimiter} "posté"\net plus', "column_3": "1"}
    ]


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1250", "Łódź,Wrocław"), ("cp1251", "Привет,Москва")]
)
def test_other_alphabets(encoding: str, text: str, tmp_path: Path) -> None:
    path = _file(tmp_path, f"a,b\n{text}\n".encode(encoding))
    assert [*_rows(path)[0].values()] == text.split(",")


@pytest.mark.parametrize(
    ("content", "error", "row"),
    [
        (b"", errors.DataEmpty, None),
        (b"\n \n", errors.DataEmpty, None),
        (b"a,b\n", errors.DataEmpty, None),
        (b"a,b\n1,2\n1,2,3\n", errors.DataUnreadable, 3),
        (b"a,b\n1\n", errors.DataUnreadable, 2),
        (b"a,A\n1,2\n", errors.DataUnreadable, None),
        (b'a,b\n1,2\n1,"2\n3,4\n', errors.DataUnreadable, 3),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", errors.DataUnreadable, None),
    ],
)
def test_broken_csv(
    content: bytes, error: type[errors.ChurnkitError], row: int | None, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        _rows(_file(tmp_path, content))
    assert caught.value.fix
    assert caught.value.where.get("row") == row


def test_column_limits(tmp_path: Path) -> None:
    names = [f"a_rather_long_name_of_column_{i}" for i in range(10_001)]
    wide = _file(tmp_path, f"{','.join(names)}\n{','.join('1' * 10_001)}\n".encode())
    with pytest.raises(errors.TooManyColumns):
        open_source(wide)
    ok = _file(tmp_path, f"{','.join(names[:5000])}\n{','.join('1' * 5000)}\n".encode())
    assert len(_rows(ok)[0]) == 5_000


def test_truncated_parquet_and_unknown_files(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"a": [1, 2]}), path)
    assert _rows(path) == [{"a": 1}, {"a": 2}]
    _file(tmp_path, path.read_bytes()[:-20], "a.parquet")
    for broken in (path, tmp_path / "nowhere.csv", _file(tmp_path, b"x", "a.doc"), tmp_path):
        with pytest.raises(errors.DataUnreadable):
            open_source(broken)


def test_excel(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.create_sheet("customers")
    page.append(["id", "fee"])
    page.append([1, 2.5, "beside"])
    path = tmp_path / "a.xlsx"
    book.save(path)
    source = open_source("a.xlsx", folder=tmp_path, sheet="customers")
    assert next(source.batches()).to_pylist() == [{"id": 1, "fee": 2.5, "column_3": "beside"}]
    with pytest.raises(errors.DataUnreadable, match="Did you mean 'customers'"):
        open_source(path, sheet="customer")
    _file(tmp_path, path.read_bytes()[:-400], "a.xlsx")
    with pytest.raises(errors.DataUnreadable):
        open_source(path)


def test_sql(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with pytest.raises(errors.DataUnreadable, match="no such database"):
        open_source(url, query="select 1")
    assert not (tmp_path / "a.db").exists()
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("create table c (id integer, fee real)"))
        connection.execute(sa.text("insert into c values (9007199254740995, 1.5)"))
    engine.dispose()
    source = open_source(url, query="select * from c")
    assert source.columns() == ("id", "fee")
    assert next(source.batches()).to_pylist() == [{"id": 9007199254740995, "fee": 1.5}]
    with pytest.raises(errors.DataUnreadable):
        open_source(url, query="select * from nowhere").columns()
    with pytest.raises(errors.DataEmpty):
        list(open_source(url, query="select * from c where id = 0").batches())
    with pytest.raises(errors.DataUnreadable):
        open_source(url)


def test_no_password_in_messages() -> None:
    url = "postgresql+psycopg2://u:s3cret@127.0.0.1:1/d?password=s3cret"
    with pytest.raises(errors.StorageUnreachable) as caught:
        open_source(url, query="select 1").columns()
    assert "s3cret" not in str(caught.value)
