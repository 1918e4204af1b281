"""Remove a customer from DuckDB files and from files of rows; each file is written anew, whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from churnkit.data.csv_sniffing import sniff_bytes, sniff_delimiter
from churnkit.data.database import META, opened
from churnkit.data.event_store import EventStore
from churnkit.data.event_tables import CUSTOMERS, quoted
from churnkit.data.fact_columns import as_text
from churnkit.data.importing import write_table
from churnkit.data.reading import read_arrow, read_schema
from churnkit.data.zones import moment_us
from churnkit.errors import DataUnreadable, storage_errors

_OURS = ("format", "source", "schema", "blanks")


def erase_from_table(database: Path, customer_id: str, *, id_column: str) -> int:
    """Remove a customer's rows from a file with one table of customers; returns how many."""
    table, schema = read_arrow(database), read_schema(database)
    if id_column not in table.column_names:
        return 0
    keep = pc.invert(_is(table.column(id_column), customer_id))
    kept = table.filter(keep)
    n = int(table.num_rows - kept.num_rows)
    columns = []
    for column in schema.columns:
        if column.name == id_column and column.categories is not None:
            others = tuple(name for name in column.categories if name.strip() != customer_id)
            column = column.model_copy(update={"categories": others})
        columns.append(column)
    if not n and tuple(columns) == schema.columns:
        return 0
    with opened(database) as connection:
        entries = dict(connection.execute(f"select key, value from {META}").fetchall())
    write_table(
        kept,
        columns,
        database,
        source=entries["source"],
        blanks=json.loads(entries["blanks"]),
        entries={name: text for name, text in entries.items() if name not in _OURS},
    )
    return n


def erase_from_log(database: Path, customer_id: str, *, now: datetime) -> int:
    """Remove a customer from a log of events; returns how many rows."""
    with (
        storage_errors(database),
        tempfile.TemporaryDirectory(prefix=".erase-", dir=database.parent) as work,
    ):
        path = Path(work) / database.name
        n = _copy_without(database, path, customer_id)
        if not n:
            return 0
        store = EventStore(path, spill=Path(work))
        try:
            log = store.log_schema()
            if log is not None:
                store.describe(
                    zone=log.zone,
                    values=log.values,
                    categories=log.categories,
                    attributes=log.attributes,
                    now_us=moment_us(now, "UTC"),
                )
        finally:
            store.close()
        path.replace(database)
    return n


def _copy_without(database: Path, path: Path, customer_id: str) -> int:
    with opened(database):
        pass  # it is whole, and of this churnkit
    removed = 0
    with duckdb.connect(str(path)) as db:
        db.execute(f"attach '{str(database).replace(chr(39), chr(39) * 2)}' as old (read_only)")
        numbers = [
            row[0]
            for row in db.execute(
                f"select customer_no from old.{CUSTOMERS} where customer_id = ?", [customer_id]
            ).fetchall()
        ]
        if not numbers:
            return 0
        for name, text in db.execute(
            "select table_name, sql from duckdb_tables() where database_name = 'old'"
        ).fetchall():
            db.execute(text)
            columns = {row[0] for row in db.execute(f"describe {quoted(name)}").fetchall()}
            where = "where customer_no <> ?" if "customer_no" in columns else ""
            given = [numbers[0]] if where else []
            added = db.execute(
                f"insert into {quoted(name)} select * from old.{quoted(name)} {where}", given
            ).fetchone()
            before = db.execute(f"select count(*) from old.{quoted(name)}").fetchone()
            removed += int(before[0] if before else 0) - int(added[0] if added else 0)
        db.execute("detach old")
    return removed


def erase_from_file(path: Path, customer_id: str) -> int | None:
    """Remove a customer's rows from a file of rows.

    A row is his when one of its values is his id; in lines of JSON, and in rows that an import set
    aside, also when the id is a value inside.

    Returns
    -------
    n : how many rows were removed; None: this is no file of rows
    """
    suffixes = [one.lower() for one in path.suffixes]
    ending = suffixes[-1] if suffixes else ""
    zipped = ending == ".gz"
    if zipped:
        ending = suffixes[-2] if len(suffixes) > 1 else ""
    editors: dict[str, Callable[[Path, str, bool], int]] = {
        ".csv": _csv, ".tsv": _csv, ".txt": _csv, ".jsonl": _lines, ".ndjson": _lines,
        ".parquet": _parquet, ".pq": _parquet, ".xlsx": _excel, ".xlsm": _excel,
    }  # fmt: skip
    editor = editors.get(ending)
    return None if editor is None else editor(path, customer_id, zipped)


def mentions(path: Path, customer_id: str) -> bool:
    """Whether a file's bytes hold the id as a word of its own, in UTF-8 or as JSON writes it."""
    content = path.read_bytes()
    forms = {customer_id, json.dumps(customer_id)[1:-1]}
    return any(_word(form.encode()).search(content) for form in forms)


def _word(text: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![0-9A-Za-z_-])" + re.escape(text) + rb"(?![0-9A-Za-z_-])")


def _csv(path: Path, customer_id: str, zipped: bool) -> int:
    content = _read(path, zipped)
    if customer_id.encode() not in content and not zipped and content.isascii():
        return 0
    encoding, text, _ = sniff_bytes(path)
    delimiter = sniff_delimiter(text)
    whole = content.decode(encoding, errors="surrogateescape")
    word = re.compile(r'(?<![\w-])"?' + re.escape(json.dumps(customer_id)) + r"(?![\w-])")
    kept, n = [], 0
    lines = io.StringIO(whole, newline="")
    raw = _Recorded(lines)
    for row in csv.reader(raw, delimiter=delimiter):
        written = raw.take()
        his = any(value.strip() == customer_id for value in row)
        his = his or any(word.search(value) for value in row)
        his = his or (len(row) == 1 and customer_id in re.split(r"[,;\t|]", row[0]))
        his = his or any(customer_id in re.split(r"[,;\t|]", value) for value in row[-1:])
        if his:
            n += 1
        else:
            kept.append(written)
    if n:
        _write(path, "".join(kept).encode(encoding, errors="surrogateescape"), zipped)
    return n


class _Recorded:
    """Lines, and those that were read since they were asked for last."""

    def __init__(self, lines: io.StringIO) -> None:
        self._lines = lines
        self._read: list[str] = []

    def __iter__(self) -> _Recorded:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._read.append(line)
        return line

    def take(self) -> str:
        """What was read."""
        text, self._read = "".join(self._read), []
        return text


def _lines(path: Path, customer_id: str, zipped: bool) -> int:
    forms = [json.dumps(customer_id).encode(), json.dumps(customer_id, ensure_ascii=False).encode()]
    lines = _read(path, zipped).splitlines(keepends=True)
    kept = [line for line in lines if not any(form in line for form in forms)]
    if len(kept) < len(lines):
        _write(path, b"".join(kept), zipped)
    return len(lines) - len(kept)


def _parquet(path: Path, customer_id: str, zipped: bool) -> int:
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DataUnreadable("this Parquet file cannot be read.", file=path) from error
    keep = None
    for column in table.columns:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)
                or pa.types.is_string_view(kind) or pa.types.is_integer(kind)):  # fmt: skip
            continue
        other = pc.invert(_is(column, customer_id))
        # A number that equals the id may be any number: only columns named like ids count.
        if pa.types.is_integer(kind):
            name = table.column_names[table.columns.index(column)]
            if not re.search(r"id$|customer", name, re.IGNORECASE):
                continue
        keep = other if keep is None else pc.and_(keep, other)
    kept = table if keep is None else table.filter(keep)
    n = int(table.num_rows - kept.num_rows)
    if n:
        with storage_errors(path):
            temporary = path.with_name(path.name + ".new")
            pq.write_table(kept, temporary)
            temporary.replace(path)
    return n


def _excel(path: Path, customer_id: str, zipped: bool) -> int:
    book = openpyxl.load_workbook(path)
    n = 0
    for sheet in book.worksheets:
        for row in range(sheet.max_row, 0, -1):
            values = (cell.value for cell in sheet[row])
            if any(value is not None and str(value).strip() == customer_id for value in values):
                sheet.delete_rows(row)
                n += 1
    if n:
        with storage_errors(path):
            temporary = path.with_name(path.stem + ".new" + path.suffix)
            book.save(temporary)
            temporary.replace(path)
    book.close()
    return n


def _is(column: pa.ChunkedArray, customer_id: str) -> pa.ChunkedArray:
    texts = [as_text(chunk) for chunk in column.chunks] or [pa.array([], pa.string())]
    return pc.fill_null(pc.equal(pa.chunked_array(texts), customer_id), False)


def _read(path: Path, zipped: bool) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if zipped else content


def _write(path: Path, content: bytes, zipped: bool) -> None:
    with storage_errors(path):
        temporary = path.with_name(path.name + ".new")
        temporary.write_bytes(gzip.compress(content) if zipped else content)
        temporary.replace(path)
