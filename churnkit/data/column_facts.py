"""What a sample of rows says about each column of a log; single broken values do not matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import as_array
from churnkit.data.event_times import parse_times
from churnkit.data.fact_columns import SURE_SHARE, as_text, one_table, without_words
from churnkit.data.fact_sources import BrokenRow, OpenPart, Part
from churnkit.data.fixed_point import fixed_point
from churnkit.data.infer import decimal_mark
from churnkit.data.roles import name_words
from churnkit.errors import DataEmpty, DataUnreadable

SAMPLE_ROWS = 50_000
_TEXT_FORMATS = ("iso", "yyyymmdd", "yyyy/mm/dd", "dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy")
_RANGES = {  # from 1990 to 2100, as numbers
    "yyyymmdd": (19_000_101, 21_001_231),
    "epoch_s": (631_152_000, 4_102_444_800),
    "epoch_ms": (631_152_000_000, 4_102_444_800_000),
    "epoch_us": (631_152_000_000_000, 4_102_444_800_000_000),
    "excel": (32_874, 73_051),
}
_TIME_WORDS = frozenset(
    "time date day datetime timestamp ts at on when moment since from until start end begin "
    "created occurred valid known".split()
)
_TIME_ENDING = re.compile(r"(date|time|timestamp|day)$")


@dataclass(frozen=True)
class ColumnFacts:
    """A column of a sample.

    ``example`` is one of its values. ``formats`` are the ways in which they can be read as times:
    ``native`` for dates of the file's own type, otherwise names of [events] time_format.
    ``numeric`` is the share of numbers among the values that are there.
    """

    name: str
    words: tuple[str, ...]
    n_missing: int
    n_distinct: int
    formats: tuple[str, ...]
    numeric: float
    leading_zeros: bool
    spaces: bool
    is_text: bool
    example: str = ""

    @property
    def is_time(self) -> bool:
        """Whether it can be a time: dates, or numbers under a name that speaks of time."""
        if not self.formats:
            return False
        return (
            self.formats[0] in ("native", *_TEXT_FORMATS)
            and (self.formats != ("yyyymmdd",) or self.speaks_of_time)
        ) or self.speaks_of_time

    @property
    def speaks_of_time(self) -> bool:
        """Whether its name does."""
        return bool(set(self.words) & _TIME_WORDS) or bool(_TIME_ENDING.search(self.name.lower()))

    @property
    def is_number(self) -> bool:
        """Whether nearly all values are numbers, and no codes."""
        return self.numeric >= SURE_SHARE and not self.leading_zeros


class Sample:
    """The first rows of a source.

    Parameters
    ----------
    name : of the source, for messages
    table : the rows
    whole : whether these are all rows there are
    """

    def __init__(self, name: str, table: pa.Table, whole: bool) -> None:
        self.name = name
        self.table = table
        self.whole = whole
        self._facts: dict[str, ColumnFacts] = {}

    @cached_property
    def mark(self) -> str:
        """The decimal mark of numbers that are text."""
        return _mark(self.table)

    @property
    def columns(self) -> Iterator[ColumnFacts]:
        """What is seen of each column; looked at one by one, as a table may have thousands."""
        return (self._column(name) for name in self.table.column_names)

    def column(self, name: str) -> ColumnFacts | None:
        """The column of this name, if there is one."""
        return self._column(name) if name in self.table.column_names else None

    def _column(self, name: str) -> ColumnFacts:
        if name not in self._facts:
            self._facts[name] = _facts(name, as_array(self.table.column(name)), self.mark)
        return self._facts[name]


def read_sample(parts: Sequence[Part], *, query: str = "") -> Sample:
    """Look at the first rows of the first part that has some.

    Raises
    ------
    DataError : it cannot be read as a table, or no part has rows
    """
    empty: DataEmpty | None = None
    for part in parts:
        try:
            return _sampled(OpenPart(part, query=query), whole=len(parts) == 1)
        except DataEmpty as error:
            empty = empty or error
    assert empty is not None
    raise empty


def _sampled(opened: OpenPart, *, whole: bool) -> Sample:
    batches: list[pa.RecordBatch] = []
    n_rows = 0
    first: BrokenRow | None = None
    for batch, _, broken in opened.batches():
        first = first or next(iter(broken), None)
        if not batch.num_rows:
            continue
        batches.append(batch.slice(0, SAMPLE_ROWS - n_rows))
        n_rows += batches[-1].num_rows
        if n_rows >= SAMPLE_ROWS:
            whole = False
            break
    if first is not None and not batches:
        raise DataUnreadable(
            f"no row has as many values as the header: the first {first.reason}.",
            fix="Check the header and the delimiter.",
            file=opened.name,
            row=first.row,
        )
    return Sample(opened.name, one_table(batches), whole)


def _mark(table: pa.Table) -> str:
    kept = []
    for column in table.columns:
        if pa.types.is_string(column.type):
            there = pc.drop_null(without_words(as_text(as_array(column))))
            values = there.filter(pc.match_substring_regex(there, r"^[+-]?\d[\d.,]*$"))
            if len(values) >= SURE_SHARE * len(there):
                kept.append(pa.chunked_array([values]))
    return decimal_mark(kept)


def _facts(name: str, values: pa.Array, mark: str) -> ColumnFacts:
    text = without_words(as_text(values))
    there = pc.drop_null(text)
    n = len(there)
    kind = values.type
    is_text = (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
    numeric = 0.0
    if n and not pa.types.is_timestamp(kind) and not pa.types.is_date(kind):
        read = fixed_point(there, decimals=6, rounded=True, mark=mark if is_text else ".")
        odd = read.reasons.get("is no number", np.zeros(n, np.bool_))
        numeric = 1.0 - float(odd.mean())
    return ColumnFacts(
        name=name,
        words=tuple(name_words(name)),
        n_missing=len(text) - n,
        n_distinct=int(pc.count_distinct(there).as_py()),
        formats=_formats(kind, there, numeric) if n else (),
        numeric=numeric,
        leading_zeros=is_text and _any(there, r"^0\d"),
        spaces=is_text and _any(there, r"\s"),
        is_text=is_text,
        example=str(there[0].as_py())[:40] if n else "",
    )


def _formats(kind: pa.DataType, text: pa.Array, numeric: float) -> tuple[str, ...]:
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return ("native",)
    found = []
    if numeric >= SURE_SHARE:
        numbers = fixed_point(text, decimals=3, rounded=True).scaled / 1_000
        for form, (low, high) in _RANGES.items():
            inside = float(((numbers >= low) & (numbers <= high)).mean())
            if inside >= SURE_SHARE and (form != "yyyymmdd" or _reads(text, form)):
                found.append(form)
        return tuple(found)
    return tuple(form for form in _TEXT_FORMATS if form != "yyyymmdd" and _reads(text, form))


def _reads(text: pa.Array, form: str) -> bool:
    return float(parse_times(text, form=form, zone="UTC").bad.mean()) <= 1 - SURE_SHARE


def _any(text: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())
