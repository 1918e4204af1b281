"""CSV files of any delimiter and encoding, as columns of raw text."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from churnkit.data.csv_sniffing import (
    BLANKS,
    open_bytes,
    sniff_bytes,
    sniff_delimiter,
    sniff_header,
    torn_bytes,
)
from churnkit.data.names import checked_names
from churnkit.domain.progress import Cancel
from churnkit.errors import DataEmpty, DataUnreadable

_BLOCK_BYTES = 1 << 23
TORN = "\ufffd"
"""Stands for a byte that is no text."""
OnBroken = Callable[[int, str, str], None]
"""Told of a row with too many or too few values: its number, what is wrong, its text."""


class CsvSource:
    """A CSV file.

    Parameters
    ----------
    path : the file, which may be gzipped
    on_broken : told of each row whose count of values is not the header's, which is then left
        out; None: such a row is an error

    Raises
    ------
    DataEmpty : no bytes, or nothing but blanks
    DataUnreadable : the header has a name twice, or the file is no text
    TooManyColumns : more than churnkit handles
    """

    def __init__(self, path: Path, on_broken: OnBroken | None = None) -> None:
        self.path = path
        self.name = str(path)
        self._on_broken = on_broken
        self._n_broken = 0
        self._last_broken: arrow_csv.InvalidRow | None = None
        with _Reading(path):
            self.encoding, text, self._ends_quoted, torn = sniff_bytes(path)
            self.torn = torn and on_broken is not None
            """Whether rows may hold ``TORN`` for bytes that are no text."""
            if self.torn:
                self.encoding, text = "utf-8", next(torn_bytes(path)).decode()
        if "\0" in text:
            raise DataUnreadable(
                "this is no text file.", fix="Export the table as CSV again.", file=path
            )
        if not text.strip():
            raise DataEmpty(
                "the file is empty.", fix="Choose a file with a header and rows.", file=path
            )
        self.delimiter = sniff_delimiter(text)
        header, self._header_lines = sniff_header(text, self.delimiter)
        self._names = checked_names(header, file=path)
        self.row_offset = self._header_lines + 1
        """The header is line 1, unless it spans lines or blank ones are above it."""

    def columns(self) -> tuple[str, ...]:
        """The header."""
        return self._names

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, each value as the text that is in the file; blank lines are no rows.

        Raises
        ------
        DataEmpty : there are no rows
        DataUnreadable : a row has more or fewer values than the header, or a quote is not closed
        """
        n_rows = 0
        self._n_broken = 0
        last: pa.RecordBatch | None = None
        with _Reading(self.path), open_bytes(self.path) as stream:
            reader = arrow_csv.open_csv(
                self._readable(stream),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,  # or a broken row's number is not known
                    block_size=_BLOCK_BYTES,
                    skip_rows=self._header_lines,
                    column_names=list(self._names),
                    encoding="utf8" if self.encoding.startswith("utf-8") else self.encoding,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=self.delimiter != BLANKS,
                    quote_char=False if self.delimiter == BLANKS else '"',
                    invalid_row_handler=self._left_out if self._on_broken else None,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self._names, pa.string()), strings_can_be_null=False
                ),
            )
            with reader:
                for batch in reader:
                    if cancel is not None:
                        cancel.check()
                    n_rows += batch.num_rows
                    if batch.num_rows:
                        last = batch.slice(batch.num_rows - 1)
                        yield batch
        self._refuse_open_quote(n_rows)
        if last is None and not self._n_broken:
            raise _no_rows(self.path)
        if last is None:
            return
        # A quote that is never closed swallows all rows after it.
        if self.delimiter == BLANKS:
            return
        if not self._ends_quoted and "\n" in last.column(last.num_columns - 1)[0].as_py():
            raise self._open_quote(n_rows - 1 + self.row_offset, self._names[-1])

    def _readable(self, stream: pa.NativeFile) -> pa.NativeFile:
        pieces: Iterator[bytes] | None = torn_bytes(self.path) if self.torn else None
        if self.delimiter == BLANKS:
            read = stream.read if pieces is None else lambda size: next(pieces, b"")
            return pa.PythonFile(_OneBlank(read), mode="r")
        return stream if pieces is None else pa.PythonFile(_Pieces(pieces), mode="r")

    def _left_out(self, row: arrow_csv.InvalidRow) -> str:
        assert self._on_broken is not None
        what = f"has {row.actual_columns} values where the header has {row.expected_columns}"
        self._on_broken(row.number, what, row.text)
        self._n_broken += 1
        self._last_broken = row
        return "skip"

    def _refuse_open_quote(self, n_rows: int) -> None:
        """A broken last row may be all rows after a quote that is never closed."""
        row = self._last_broken
        if row is None or not self._n_broken or self.delimiter == BLANKS:
            return
        last = self.row_offset + n_rows + self._n_broken - 1
        opened = re.search(rf'(^|{re.escape(self.delimiter)})"', row.text)
        if row.number == last and opened and row.text.count('"') % 2:
            raise self._open_quote(row.number, None)

    def _open_quote(self, row: int, column: str | None) -> DataUnreadable:
        return DataUnreadable(
            "a quote is opened and never closed.",
            fix="Close it, or remove it.",
            file=self.path,
            row=row,
            column=column,
        )


class _Pieces(io.RawIOBase):
    """A stream of pieces of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._ready = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ready:  # a piece may be empty; an empty answer would mean the end
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._ready = piece
        size = len(self._ready) if size < 0 else size
        answer, self._ready = self._ready[:size], self._ready[size:]
        return answer


class _OneBlank(io.RawIOBase):
    """A stream of lines without blanks around them, and with one blank between words."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read
        self._rest = b""
        self._ready = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ready:  # an empty answer would mean the end
            chunk = self._read(_BLOCK_BYTES)
            if not chunk:
                last, self._rest = self._squeezed(self._rest), b""
                self._ready = last
                break
            lines, newline, self._rest = (self._rest + chunk).rpartition(b"\n")
            self._ready = self._squeezed(lines + newline)
        size = len(self._ready) if size < 0 else size
        answer, self._ready = self._ready[:size], self._ready[size:]
        return answer

    def _squeezed(self, lines: bytes) -> bytes:
        return re.sub(rb"(?m)^ +| +$", b"", re.sub(rb"[ \t\r]+", b" ", lines))


class _Reading:
    """Turn arrow's complaints about a file into ours."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnicodeDecodeError):
            raise DataUnreadable(
                f"the text cannot be decoded as {error.encoding}.",
                fix="Save the file as UTF-8.",
                file=self.path,
            ) from error
        if isinstance(error, pa.ArrowInvalid):
            text = str(error)
            if text.startswith("Empty CSV") or "Could not skip initial" in text:
                raise _no_rows(self.path) from error
            row = re.search(r"Row #(\d+)", text)
            counts = re.search(r"Expected (\d+) columns?, got (\d+)", text)
            raise DataUnreadable(
                f"a row has {counts[2]} values where the header has {counts[1]}."
                if counts
                else f"the file cannot be read as CSV: {text}.",
                fix="Mend that row, for example a text with the delimiter and no quotes.",
                file=self.path,
                row=int(row[1]) if row else None,
            ) from error
        if isinstance(error, OSError):
            raise DataUnreadable(
                f"the file cannot be read: {error}.", fix="Check that it is whole.", file=self.path
            ) from error


def _no_rows(path: Path) -> DataEmpty:
    return DataEmpty(
        "the file has a header but no rows.", fix="Choose a file with customers.", file=path
    )
