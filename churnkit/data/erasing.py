"""Remove a customer from DuckDB files and from files of rows; each file is written anew, whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zipfile import BadZipFile

import duckdb
import numpy as np
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
from churnkit.data.rejected import HEADER
from churnkit.data.zones import moment_us
from churnkit.errors import DataUnreadable
from churnkit.files import storage_errors, write_whole

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


def is_distinctive(customer_id: str) -> bool:
    """Whether a text like this is hardly anything but this id, wherever it stands."""
    n = len(customer_id)
    return n >= 8 or (n >= 5 and any(letter.isalpha() for letter in customer_id))


def erase_from_file(path: Path, customer_id: str, columns: Collection[str]) -> int | None:
    """Remove a customer's rows from a file of rows.

    Parameters
    ----------
    columns : names of columns that name customers. In a file without any of them a row is his
        when one of its values is his id, if the id is distinctive: "7" may be anything

    Returns
    -------
    n : how many rows were removed; None: this is no file of rows

    Raises
    ------
    DataUnreadable : the file cannot be read as what its name says
    """
    suffixes = [one.lower() for one in path.suffixes]
    ending = suffixes[-1] if suffixes else ""
    zipped = ending == ".gz"
    if zipped:
        ending = suffixes[-2] if len(suffixes) > 1 else ""
    editors: dict[str, Callable[[Path, _Match, bool], int]] = {
        ".csv": _csv, ".tsv": _csv, ".txt": _csv, ".jsonl": _lines, ".ndjson": _lines,
        ".parquet": _parquet, ".pq": _parquet, ".xlsx": _excel, ".xlsm": _excel,
    }  # fmt: skip
    editor = editors.get(ending)
    if editor is None:
        return None
    try:
        return editor(path, _Match(customer_id, frozenset(columns)), zipped)
    except (pa.ArrowException, csv.Error, BadZipFile, EOFError, KeyError, ValueError) as error:
        raise DataUnreadable("the file cannot be read.", file=path) from error


@dataclass(frozen=True)
class _Match:
    """Tells a customer's rows."""

    customer_id: str
    columns: frozenset[str]

    def places(self, header: Sequence[str]) -> list[int]:
        """Where to look in the rows under a header."""
        named = [i for i, name in enumerate(header) if name.strip() in self.columns]
        if named or not is_distinctive(self.customer_id):
            return named
        return list(range(len(header)))

    def value(self, value: object) -> bool:
        """Whether a value is the id."""
        return value is not None and str(value).strip() == self.customer_id

    def raw(self, text: str) -> bool:
        """Whether what an import set aside is his: a row as JSON, or a line that was none."""
        try:
            row = json.loads(text)
        except ValueError:
            parts = (part.strip(" \"'") for part in re.split(r"[,;\t|]", text))
            return is_distinctive(self.customer_id) and self.customer_id in parts
        return isinstance(row, dict) and self.document(row)

    def document(self, row: Mapping[str, object]) -> bool:
        """Whether a row as JSON is his."""
        named = [value for name, value in row.items() if name in self.columns]
        looked = named or (list(row.values()) if is_distinctive(self.customer_id) else [])
        return any(self.value(value) for value in looked)


def mentions(path: Path, customer_id: str) -> bool:
    """Whether a file's bytes hold the id as a word of its own, in UTF-8 or as JSON writes it."""
    content = path.read_bytes()
    forms = {customer_id, json.dumps(customer_id)[1:-1]}
    return any(_word(form.encode()).search(content) for form in forms)


def _word(text: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![0-9A-Za-z_-])" + re.escape(text) + rb"(?![0-9A-Za-z_-])")


def _csv(path: Path, match: _Match, zipped: bool) -> int:
    content = _read(path, zipped)
    if match.customer_id.encode() not in content and content.isascii():
        return 0
    encoding, text, _, torn = sniff_bytes(path)
    delimiter = sniff_delimiter(text)
    # A log with a few rows in another encoding is read as UTF-8, a table of customers is not.
    erased = _rows_erased(path, content, "utf-8", delimiter, match, zipped) if torn else 0
    return erased or _rows_erased(path, content, encoding, delimiter, match, zipped)


def _rows_erased(
    path: Path, content: bytes, encoding: str, delimiter: str, match: _Match, zipped: bool
) -> int:
    whole = content.decode(encoding, errors="surrogateescape")
    lines = _Recorded(io.StringIO(whole, newline=""))
    kept, n = [], 0
    places: list[int] | None = None
    raw: int | None = None
    for row in csv.reader(lines, delimiter=delimiter):
        written = lines.take()
        if places is None:
            places = match.places(row)
            # Rows that an import set aside are in one column, as they came.
            raw = row.index("raw") if tuple(row) == HEADER else None
            kept.append(written)
            continue
        his = any(match.value(row[i]) for i in places if i < len(row))
        if his or (raw is not None and raw < len(row) and match.raw(row[raw])):
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


def _lines(path: Path, match: _Match, zipped: bool) -> int:
    lines = _read(path, zipped).splitlines(keepends=True)
    kept = []
    for line in lines:
        row = json.loads(line) if line.strip() else None
        if not (isinstance(row, dict) and match.document(row)):
            kept.append(line)
    if len(kept) < len(lines):
        _write(path, b"".join(kept), zipped)
    return len(lines) - len(kept)


def _parquet(path: Path, match: _Match, zipped: bool) -> int:
    table = pq.read_table(path, partitioning=None)
    keep = np.ones(table.num_rows, dtype=np.bool_)
    for place in match.places(table.column_names):
        column = table.column(place)
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not pa.types.is_nested(kind):
            keep &= ~_is(column, match.customer_id).to_numpy().astype(np.bool_)
    n = int((~keep).sum())
    if n:
        with storage_errors(path):
            temporary = path.with_name(path.name + ".new")
            pq.write_table(table.filter(pa.array(keep)), temporary)
            temporary.replace(path)
    return n


def _excel(path: Path, match: _Match, zipped: bool) -> int:
    book = openpyxl.load_workbook(path)
    n = 0
    for sheet in book.worksheets:
        header = [str(cell.value or "") for cell in sheet[1]]
        places = match.places(header)
        for row in range(sheet.max_row, 1, -1):
            values = [cell.value for cell in sheet[row]]
            if any(match.value(values[i]) for i in places if i < len(values)):
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
    write_whole(path, gzip.compress(content) if zipped else content)
