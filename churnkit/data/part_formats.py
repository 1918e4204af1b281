"""Tables in parts, as they wait in the database, and as they are handed out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Literal

import pyarrow as pa
from pyarrow import csv, parquet

TableFormat = Literal["csv", "ndjson", "parquet"]


def pack(batch: pa.RecordBatch) -> bytes:
    """A part as compressed bytes."""
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def unpack(content: bytes) -> pa.Table:
    """What ``pack`` made of a part."""
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def render(parts: Iterable[bytes], schema: pa.Schema, form: TableFormat) -> Iterator[bytes]:
    """A table in a format, piece by piece; it is never wholly in memory.

    Parameters
    ----------
    parts : made by ``pack``
    schema : of the table, which may have no parts
    """
    if form == "parquet":
        yield from _parquet(parts, schema)
    elif form == "csv":
        yield from _csv(parts, schema)
    else:
        for part in parts:
            rows = unpack(part).to_pylist()
            yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _csv(parts: Iterable[bytes], schema: pa.Schema) -> Iterator[bytes]:
    flat = pa.schema([f.with_type(pa.string()) if pa.types.is_list(f.type) else f for f in schema])
    yield _written(flat.empty_table(), header=True)
    for part in parts:
        yield _written(_flat(unpack(part), flat), header=False)


def _flat(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A list in one cell: its texts with a semicolon between them."""
    import pyarrow.compute as pc

    columns = [
        pc.binary_join(column, ";") if pa.types.is_list(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, schema=schema)


def _written(table: pa.Table, *, header: bool) -> bytes:
    sink = io.BytesIO()
    csv.write_csv(table, sink, csv.WriteOptions(include_header=header, quoting_style="needed"))
    return sink.getvalue()


def _parquet(parts: Iterable[bytes], schema: pa.Schema) -> Iterator[bytes]:
    drain = _Drain()
    writer = parquet.ParquetWriter(drain, schema, compression="zstd")
    try:
        for part in parts:
            writer.write_table(unpack(part))
            yield drain.taken()
    finally:
        writer.close()
    yield drain.taken()


class _Drain(io.RawIOBase):
    """A file that is only written to, and emptied from time to time."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, content: object) -> int:
        piece = bytes(content)  # type: ignore[call-overload]  # a buffer of arrow's
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
