"""Read a source into the project's DuckDB file, whole or not at all."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.database import FORMAT, META, TABLE, meta, opened
from churnkit.data.fingerprint import table_fingerprint
from churnkit.data.infer import Typed, decimal_mark, typed_column
from churnkit.data.names import ROW
from churnkit.data.sources import Source
from churnkit.data.suppressed import Suppressed, without_suppressed
from churnkit.domain.columns import TableColumn, TableSchema
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import DataEmpty, DiskFull, StorageError
from churnkit.files import storage_errors

MAX_CATEGORIES = 1_000


def import_table(
    source: Source,
    database: Path,
    *,
    id_column: str = "",
    suppressed: Suppressed | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> TableSchema:
    """Read all rows, give each column its type, and replace the database file in one step.

    Parameters
    ----------
    source : the file or query
    database : the DuckDB file; an earlier one is replaced, or kept if anything fails
    id_column, suppressed : tell erased customers, whose rows are left out

    Raises
    ------
    DataError : the source cannot be read as a table
    DiskFull, FolderReadOnly : the database cannot be written
    Cancelled : somebody asked to stop
    """
    progress(Step("reading the customers"))
    known = suppressed if id_column in source.columns() else None
    raw = _read(source, progress, cancel, id_column, known)
    progress(Step("finding the columns' types"))
    names = source.columns()
    columns = [raw.column(i) for i in range(raw.num_columns)]
    mark = decimal_mark(columns)
    typed: list[Typed] = []
    for name, column in zip(names, columns, strict=True):
        if cancel is not None:
            cancel.check()
        typed.append(
            typed_column(column, name, mark=mark, file=source.name, row_offset=source.row_offset)
        )
    table = pa.table([column.values for column in typed], names=list(names))
    described = tuple(_described(n, t) for n, t in zip(names, typed, strict=True))
    progress(Step("writing the customers"))
    if cancel is not None:
        cancel.check()
    blanks = {n: t.blanks for n, t in zip(names, typed, strict=True) if t.blanks}
    return write_table(table, described, database, source=source.name, blanks=blanks)


def write_table(
    table: pa.Table,
    columns: Sequence[TableColumn],
    database: Path,
    *,
    source: str,
    blanks: Mapping[str, int] | None = None,
    entries: Mapping[str, str] | None = None,
) -> TableSchema:
    """Make a typed table the content of a database file, in one step.

    Parameters
    ----------
    columns : of the table, in order
    source : where the rows came from, for messages
    blanks : how many values of a column were blank text
    entries : more of the file's own description

    Raises
    ------
    DiskFull, FolderReadOnly : the database cannot be written
    """
    schema = TableSchema(
        columns=tuple(columns),
        n_rows=table.num_rows,
        fingerprint=table_fingerprint(table, columns),
    )
    described_by = {
        "format": str(FORMAT),
        "source": source,
        "schema": schema.model_dump_json(),
        "blanks": json.dumps(blanks or {}),
        **(entries or {}),
    }
    _write(table, described_by, database)
    return schema


def read_entry(database: Path, key: str) -> str | None:
    """An entry of a file's own description; None: no such file or entry."""
    if not database.exists():
        return None
    with opened(database) as connection:
        rows = connection.execute(f"select value from {META} where key = ?", [key]).fetchall()
    return str(rows[0][0]) if rows else None


def read_blanks(database: Path) -> dict[str, int]:
    """How many values of a column were blank text: column → count, without zeros."""
    with opened(database) as connection:
        return dict(json.loads(meta(connection, database, "blanks")))


def _read(
    source: Source,
    progress: Progress,
    cancel: Cancel | None,
    id_column: str,
    suppressed: Suppressed | None,
) -> pa.Table:
    batches: list[pa.RecordBatch] = []
    n_rows = 0
    for whole in source.batches(cancel):
        batch, _, _ = without_suppressed(whole, range(whole.num_rows), id_column, suppressed)
        batches.append(batch)
        n_rows += batch.num_rows
        progress(Step("reading the customers", None, f"{n_rows:,} rows"))
    if not n_rows:
        raise DataEmpty(
            "there are no rows.", fix="Choose a source with customers.", file=source.name
        )
    return pa.Table.from_batches(batches)


def _described(name: str, typed: Typed) -> TableColumn:
    categories: tuple[str, ...] | None = None
    if typed.kind == "category":
        distinct = pc.drop_null(pc.unique(typed.values))
        if len(distinct) <= MAX_CATEGORIES:
            categories = tuple(sorted(distinct.to_pylist()))
    return TableColumn(
        name=name, kind=typed.kind, categories=categories, missing_words=typed.missing_words
    )


def _write(table: pa.Table, entries: dict[str, str], database: Path) -> None:
    with storage_errors(database):
        database.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=database.parent) as work:
            path = Path(work) / database.name
            try:
                _fill(table, entries, path)
            except duckdb.Error as error:
                # A refusal to write comes as one of several classes, the last one at the commit.
                if any(said in str(error) for said in ("No space left", "File too large")):
                    raise DiskFull(
                        "the disk is full; nothing was changed.",
                        fix="Free some space and run the command again.",
                        path=database,
                    ) from error
                raise StorageError(
                    f"the database cannot be written: {str(error).splitlines()[0]}",
                    fix="Check the disk, then run the command again; nothing was changed.",
                    path=database,
                ) from error
            path.replace(database)


def _fill(table: pa.Table, entries: dict[str, str], path: Path) -> None:
    # DuckDB keeps moments without a zone; all of ours are UTC.
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(i, field.name, table.column(i).cast(pa.timestamp("us")))
    table = table.append_column(ROW, pa.array(np.arange(table.num_rows)))
    with duckdb.connect(str(path)) as connection:
        connection.execute("begin")
        connection.register("incoming", table)
        connection.execute(f"create table {TABLE} as select * from incoming")
        connection.execute(f"create table {META} (key varchar primary key, value varchar)")
        connection.executemany(f"insert into {META} values (?, ?)", list(entries.items()))
        connection.unregister("incoming")
        connection.execute("commit")
