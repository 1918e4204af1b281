"""CSV files of any delimiter and encoding, as columns of raw text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import charset_normalizer
import pyarrow as pa
from pyarrow import csv as arrow_csv

from churnkit.data.names import checked_names
from churnkit.domain.progress import Cancel
from churnkit.errors import DataEmpty, DataUnreadable

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 23
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class CsvSource:
    """A CSV file.

    Raises
    ------
    DataEmpty : no bytes, or nothing but blanks
    DataUnreadable : the header has a name twice, or the text cannot be decoded
    TooManyColumns : more than churnkit handles
    """

    row_offset = 2
    """The header is line 1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.encoding = _encoding(path)
        with _Reading(path), pa.input_stream(str(path), compression="detect") as stream:
            sample = stream.read(_SAMPLE_BYTES)
        text = codecs.getincrementaldecoder(self.encoding)(errors="replace").decode(sample)
        if not text.strip():
            raise DataEmpty(
                "the file is empty.", fix="Choose a file with a header and rows.", file=path
            )
        self.delimiter = _delimiter(text)
        header, self._header_lines = _header(text, self.delimiter)
        self._names = checked_names(header, file=path)

    def columns(self) -> tuple[str, ...]:
        """The header."""
        return self._names

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, each value as the text that is in the file.

        Raises
        ------
        DataEmpty : there are no rows
        DataUnreadable : a row has more or fewer values than the header
        """
        n_rows = 0
        with _Reading(self.path):
            reader = arrow_csv.open_csv(
                self.path,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,  # or a broken row's number is not known
                    block_size=_BLOCK_BYTES,
                    skip_rows=self._header_lines,
                    column_names=list(self._names),
                    encoding=self.encoding.replace("utf-8-sig", "utf8"),
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True
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
                        yield batch
        if not n_rows:
            raise _no_rows(self.path)


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
            if text.startswith("Empty CSV"):
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
        if isinstance(error, OSError) and not isinstance(error, DataUnreadable):
            raise DataUnreadable(
                f"the file cannot be read: {error}.", fix="Check that it is whole.", file=self.path
            ) from error


def _no_rows(path: Path) -> DataEmpty:
    return DataEmpty(
        "the file has a header but no rows.", fix="Choose a file with customers.", file=path
    )


def _encoding(path: Path) -> str:
    """UTF-8 if all of it is; otherwise what a byte-order mark or the bytes' statistics say."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with _Reading(path), pa.input_stream(str(path), compression="detect") as stream:
        chunk = first = stream.read(_SAMPLE_BYTES)
        for mark, name in _BOMS:
            if first.startswith(mark):
                return name
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = stream.read(_SAMPLE_BYTES)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            # Show the guesser the place that is not UTF-8, not only the file's beginning.
            sample = first + chunk
        else:
            return "utf-8"
    best = charset_normalizer.from_bytes(
        sample, cp_isolation=["latin_1", "cp1252", "utf_16_le", "utf_16_be", "cp1250", "cp1251"]
    ).best()
    return "latin-1" if best is None else str(best.encoding)


def _delimiter(text: str) -> str:
    """The delimiter that gives the first rows the most columns, all alike."""
    rated: list[tuple[int, int, str]] = []
    for delimiter in _DELIMITERS:
        # The sample may end inside a row.
        widths = [len(row) for row in _rows(text, delimiter, 30) if row]
        if not widths:
            continue
        whole = widths[:-1] or widths
        alike = sum(width == whole[0] for width in whole)
        rated.append((alike * (whole[0] > 1), whole[0], delimiter))
    if not rated or max(rated)[0] == 0:
        return ","
    return max(rated, key=lambda pair: (pair[0] / 30 + (pair[1] > 1), pair[1]))[2]


def _rows(text: str, delimiter: str, n: int) -> list[list[str]]:
    csv.field_size_limit(1 << 24)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) >= n:
                break
    except csv.Error:
        return rows
    return rows


def _header(text: str, delimiter: str) -> tuple[list[str], int]:
    """The first row that is not blank, and the number of lines up to its end."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for row in reader:
        if any(value.strip() for value in row):
            return row, reader.line_num
    return [], 0
