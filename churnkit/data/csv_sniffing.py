"""What a CSV file does not say about itself: compression, encoding, delimiter, header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import charset_normalizer
import pyarrow as pa

if TYPE_CHECKING:
    import _csv  # the only place where the type of a reader has a name

_DELIMITERS = (",", ";", "\t", "|")
BLANKS = " "
"""Columns set apart by one blank or more, as programs print them."""
_FEWEST_BLANK_COLUMNS = 3
"""Two words in each line are more likely a name."""
_SAMPLE_BYTES = 1 << 22
"""Holds a header of 10,001 columns; the guesser of encodings sees less."""
_GUESSED_BYTES = 1 << 18
_SNIFFED_ROWS = 30
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_IN_CP1252 = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
_CENTRAL_EUROPEAN = ("Czech", "Slovak", "Polish", "Hungarian", "Croatian", "Slovene")
_CYRILLIC = re.compile(rb"[\xc0-\xff]{4}")
"""Cyrillic words have no ASCII letters; Western ones rarely have four accents in a row."""
_POLISH_AS_CP1252 = re.compile(r"[^\W\d_][£³¹¿¯][^\W\d_]|[£¯][^\W\d_]")


class Bytes(NamedTuple):
    """What reading a file's bytes once shows."""

    encoding: str
    sample: str
    """The beginning, decoded."""
    ends_quoted: bool
    """Whether the last character that is no blank is a quote."""
    torn: bool
    """Whether it is UTF-8 but for single bytes, as where rows of several sources were joined."""


def open_bytes(path: Path) -> pa.NativeFile:
    """The file's content, decompressed if it is gzip, whatever its name."""
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return pa.input_stream(str(path), compression="gzip" if gzipped else None)


def sniff_bytes(path: Path) -> Bytes:
    """Find the encoding: UTF-8 if all of it is; otherwise a byte-order mark, or a guess.

    Without a mark, bytes that are no UTF-8 are UTF-16 if they hold zeros; Cyrillic or Central
    European if they clearly read so; otherwise Western European, of which Latin-1 is a part.

    Raises
    ------
    OSError : the file cannot be read
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8 = True
    odd = b""  # the first part that is not UTF-8
    undefined = False
    last = b""
    with open_bytes(path) as stream:
        first = chunk = stream.read(_SAMPLE_BYTES)
        while chunk:
            if utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    utf8 = False
                    odd = chunk[max(0, error.start - _GUESSED_BYTES // 2) :][:_GUESSED_BYTES]
            undefined = undefined or any(byte in chunk for byte in _NOT_IN_CP1252)
            last = chunk[-64:]
            chunk = stream.read(_SAMPLE_BYTES)
        if utf8:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                utf8 = False
                odd = first[:_GUESSED_BYTES]
    encoding = next((name for mark, name in _BOMS if first.startswith(mark)), "")
    if not encoding:
        # Zeros are valid UTF-8, but no table of text holds them.
        zeros = b"\0" in first[:_GUESSED_BYTES]
        encoding = "utf-8" if utf8 and not zeros else _guessed(first, odd, zeros, undefined)
    torn = not utf8 and encoding not in ("utf-16", "utf-16-le", "utf-16-be") and _torn(odd)
    sample = codecs.getincrementaldecoder(encoding)(errors="replace").decode(first)
    return Bytes(encoding, sample, last.rstrip(b" \t\r\n\0")[-1:] == b'"', torn)


def torn_bytes(path: Path) -> Iterator[bytes]:
    """The file's content as UTF-8, with U+FFFD in place of bytes that are none."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    with open_bytes(path) as stream:
        while chunk := stream.read(_SAMPLE_BYTES):
            yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _torn(odd: bytes) -> bool:
    """Texts in other encodings hardly ever hold characters of UTF-8."""
    text = odd.decode("utf-8", errors="surrogateescape")
    bad = sum("\udc80" <= letter <= "\udcff" for letter in text)
    return sum(letter > "\x7f" for letter in text) - bad >= bad


def sniff_delimiter(text: str) -> str:
    """The delimiter that gives the first rows the most columns, all alike; or blanks."""
    rated: list[tuple[int, int, str]] = []
    for delimiter in _DELIMITERS:
        widths = [len(row) for row in _rows(text, delimiter) if row]
        if not widths:
            continue
        whole = widths[:-1] or widths  # the sample may end inside a row
        alike = sum(width == whole[0] for width in whole)
        rated.append((alike * (whole[0] > 1), whole[0], delimiter))
    if not rated or max(rated)[0] == 0:
        return BLANKS if _in_blank_columns(text) else ","
    return max(rated, key=lambda rate: (rate[0] / _SNIFFED_ROWS + (rate[1] > 1), rate[1]))[2]


def sniff_header(text: str, delimiter: str) -> tuple[list[str], int]:
    """The first row that is not blank, and the number of lines up to its end."""
    if delimiter == BLANKS:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                return line.split(), number
        return [], 0
    reader = _reader(text, delimiter)
    try:
        for row in reader:
            if any(value.strip() for value in row):
                return row, reader.line_num
    except csv.Error:
        pass  # a single value larger than the sample is no header
    return [], 0


def _in_blank_columns(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()][: _SNIFFED_ROWS + 1]
    # The sample may end inside the last line.
    widths = {len(line.split()) for line in (lines[:-1] if len(lines) > _SNIFFED_ROWS else lines)}
    return len(lines) > 1 and len(widths) == 1 and min(widths) >= _FEWEST_BLANK_COLUMNS


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in _reader(text, delimiter):
            rows.append(row)
            if len(rows) >= _SNIFFED_ROWS:
                break
    except csv.Error:
        return rows
    return rows


def _reader(text: str, delimiter: str) -> _csv.Reader:
    csv.field_size_limit(_SAMPLE_BYTES)
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)


def _guessed(first: bytes, odd: bytes, zeros: bool, undefined: bool) -> str:
    if zeros:
        # In mostly Latin text every other byte is zero: the high one.
        start = first[: min(len(first), _GUESSED_BYTES) // 2 * 2]
        low, high = start[::2].count(0), start[1::2].count(0)
        if max(low, high) > len(start) // 4:
            return "utf-16-le" if high > low else "utf-16-be"
        return "latin-1"
    western = "latin-1" if undefined else "cp1252"
    matches = charset_normalizer.from_bytes(
        odd, cp_isolation=["cp1252", "latin_1", "cp1250", "cp1251"]
    )
    best = matches.best()
    if best is None:
        return western
    if best.encoding == "cp1251" and _CYRILLIC.search(odd):
        return "cp1251"
    # cp1250 and cp1252 agree on most letters; short texts say little about the language.
    # Where a Western language fits as well, it is the likelier one.
    as_western = max(
        (match.coherence for match in matches if match.encoding in ("cp1252", "latin_1")),
        default=0.0,
    )
    central = (
        best.encoding == "cp1250"
        and best.language in _CENTRAL_EUROPEAN
        and best.coherence > as_western
    )
    if (central and best.coherence >= 0.2) or _POLISH_AS_CP1252.search(
        odd.decode("cp1252", errors="replace")
    ):
        return "cp1250"
    return western
