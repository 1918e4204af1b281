"""Events from DuckDB as arrays: a range of customers at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa

from churnkit.data.event_tables import EVENTS, value_column
from churnkit.domain.events import LogSchema
from churnkit.features.block_figures import Figure
from churnkit.features.conditions import Stream, stream_sql
from churnkit.features.definitions import EVENT_TYPE, EventFeature
from churnkit.features.moment import Moment
from churnkit.features.requests import ASKED_CUSTOMERS
from churnkit.features.timeline import Array
from churnkit.features.words import MOST_WORDS, word_column, word_number_sql

_SLICES = 4096
"""So many ranges of customers are counted, to be joined to parts of about the same size."""
_MOST_CUSTOMERS = 2_000_000
"""In one part."""
_SAMPLED, _SAMPLE_PERCENT = 5_000_000, 2
"""Of so many events a sample is counted."""


@dataclass(frozen=True)
class Part:
    """Customers from place ``first`` up to ``stop``, and about how many events they have."""

    first: int
    stop: int
    n_events: int


@dataclass(frozen=True)
class RawEvents:
    """Events as they are stored; the last three columns are those of ``block_figures.Events``.

    Attributes
    ----------
    place : shape (n_events,), the customer's place among those asked for
    before : how many moments lie before the event; None: there is one moment, and none does
    known : at how many of the moments it was not known yet, >= before; None: as ``before``
    """

    place: Array
    day: Array
    before: Array | None
    known: Array | None
    marks: tuple[Array, ...]
    values: tuple[Array, ...]
    words: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.place)

    def take(self, rows: Array | slice) -> RawEvents:
        """Some of the events."""
        return self._each(lambda column: column[rows])

    def joined(self, others: Sequence[RawEvents]) -> RawEvents:
        """These and others."""
        columns = zip(*(list(one.columns()) for one in (self, *others)), strict=True)
        parts = iter([np.concatenate(parts) for parts in columns])
        return self._each(lambda _: next(parts))

    def columns(self) -> Iterator[Array]:
        """All columns that there are."""
        for one in (self.place, self.day, self.before, self.known):
            if one is not None:
                yield one
        yield from (*self.marks, *self.values, *self.words)

    def _each(self, change: Callable[[Array], Array]) -> RawEvents:
        return RawEvents(
            change(self.place),
            change(self.day),
            None if self.before is None else change(self.before),
            None if self.known is None else change(self.known),
            tuple(change(one) for one in self.marks),
            tuple(change(one) for one in self.values),
            tuple(change(one) for one in self.words),
        )


@dataclass
class EventReader:
    """Collects what is needed of each event, and reads it.

    Parameters
    ----------
    schema : the log
    moments : what features are wanted at, in order
    words : text column → *all* words that the log holds in it, if they are few
    """

    connection: duckdb.DuckDBPyConnection
    schema: LogSchema
    moments: Sequence[Moment]
    words: Mapping[str, Sequence[str]]
    _marks: dict[str, int] = field(default_factory=dict)
    _types: dict[int, frozenset[str]] = field(default_factory=dict)
    _values: list[str] = field(default_factory=list)
    _words: list[str] = field(default_factory=list)
    _longest: int | None = 0

    def __post_init__(self) -> None:
        found = self.connection.sql(
            f"SELECT customer_no, customer_id FROM {ASKED_CUSTOMERS} "
            "WHERE customer_no >= 0 ORDER BY customer_no"
        ).to_arrow_table()
        self.names: pa.Array = found.column("customer_id").combine_chunks()
        self.customers: Array = found.column("customer_no").to_numpy().astype(np.int32)
        n = len(self.customers)
        self._base = int(self.customers[0]) if n else 0
        span = int(self.customers[-1]) - self._base + 1 if n else 0
        self._places: Array | None = None
        if span != n:
            self._places = np.full(span, -1, np.int32)
            self._places[self.customers - self._base] = np.arange(n, dtype=np.int32)

    # --- what is needed -----------------------------------------------------------------------

    def figure(self, feature: EventFeature) -> Figure:
        """What a feature needs, with its place in what is read."""
        window = feature.window_days
        if self._longest is not None:
            self._longest = None if window is None else max(self._longest, window)
        stream = Stream.of(feature)
        marks = () if stream.everything else (self._stream(stream),)
        column, present, unit = 0, 0, 1.0
        if feature.aggregate == "distinct":
            if feature.column not in self._words:
                self._words.append(feature.column)
            column = self._words.index(feature.column)
            if not self._few(feature.column):
                present = self._mark(f"{word_column(feature.column)} IS NOT NULL")
        elif feature.aggregate in ("sum", "mean", "min", "max"):
            if feature.column not in self._values:
                self._values.append(feature.column)
            column = self._values.index(feature.column)
            present = self._mark(f"e.{value_column(feature.column)} IS NOT NULL")
            found = self.schema.value(feature.column)
            assert found is not None, feature.column  # the set was checked
            unit = float(10**found.decimals)
        return Figure(feature.aggregate, window, marks, column, present, unit)

    def _stream(self, stream: Stream) -> int:
        condition = stream_sql(stream, self.schema)
        mark = self._mark(condition)
        # A text is compared once for all types, not once for each stream.
        if not stream.where and self._few(EVENT_TYPE):
            self._types[mark] = frozenset(stream.event_types)
        return mark

    @property
    def word_bits(self) -> tuple[bool, ...]:
        """For each column of words, whether it is read as a bit per word."""
        return tuple(self._few(column) for column in self._words)

    def _mark(self, condition: str) -> int:
        return self._marks.setdefault(condition, len(self._marks))

    def _few(self, column: str) -> bool:
        return 0 < len(self._known_words(column)) <= MOST_WORDS

    def _known_words(self, column: str) -> Sequence[str]:
        if column == EVENT_TYPE:
            return self.schema.event_types
        return self.words.get(column, ())

    # --- reading --------------------------------------------------------------------------------

    @property
    def bytes_per_event(self) -> int:
        """About how much memory an event takes while its part is worked on."""
        n_marks = -(-len(self._marks) // 8)
        several = 4 if len(self.moments) > 1 else 0
        return 12 + several + n_marks + 8 * len(self._values) + 4 * len(self._words)

    def parts(self, most_events: int) -> list[Part]:
        """Cut the customers into ranges of about so many events, by a sample of a large log."""
        if not len(self.customers):
            return []
        span = int(self.customers[-1]) - self._base + 1
        width = -(-span // _SLICES)
        sampled = self.schema.n_events > _SAMPLED
        sample = f" TABLESAMPLE system({_SAMPLE_PERCENT}%) REPEATABLE (1)" if sampled else ""
        rows = self.connection.execute(
            f"SELECT (e.customer_no - {self._base}) // {width}, count(*) FROM {EVENTS} e{sample} "
            f"WHERE {self._where(self._base, self._base + span)} GROUP BY 1"
        ).fetchall()
        counts = {at: n * 100 // _SAMPLE_PERCENT if sampled else n for at, n in rows}
        edges = np.searchsorted(
            self.customers, self._base + width * np.arange(-(-span // width) + 1)
        )
        parts: list[Part] = []
        for at, (first, stop) in enumerate(pairwise(edges)):
            n = counts.get(at, 0)
            last = parts[-1] if parts else None
            if last and last.n_events + n <= most_events and stop - last.first <= _MOST_CUSTOMERS:
                parts[-1] = Part(last.first, int(stop), last.n_events + n)
            elif stop > first:
                parts.append(Part(int(first), int(stop), n))
        return parts

    def number_words(self) -> None:
        """Give the words of columns that hold many of them numbers, in temporary tables."""
        for at, column in enumerate(self._words):
            if not self._few(column):
                word = word_column(column)
                self.connection.execute(
                    f"CREATE OR REPLACE TEMP TABLE feature_words_{at} AS "
                    "SELECT word, row_number() OVER () AS n "
                    f"FROM (SELECT DISTINCT CAST({word} AS VARCHAR) AS word FROM {EVENTS} e)"
                )

    def sql(self, part: Part) -> str:
        """What reads the events of a part."""
        columns = ["e.customer_no", "e.dayno"]
        if len(self.moments) > 1:
            columns += ["e.t_us", "e.known_us"]
        if self._types:
            columns.append(f"{word_number_sql(EVENT_TYPE, self.schema.event_types)} AS kind")
        marks = [
            f"CASE WHEN {condition} THEN {1 << mark % 8} ELSE 0 END"
            if mark not in self._types
            else "0"
            for condition, mark in self._marks.items()
        ]
        for at in range(0, len(marks), 8):
            columns.append(f"CAST({' + '.join(marks[at : at + 8])} AS UTINYINT) AS m{at // 8}")
        columns += [
            f"coalesce(e.{value_column(name)}, 0) AS v{at}" for at, name in enumerate(self._values)
        ]
        joins = ""
        for at, name in enumerate(self._words):
            if self._few(name):
                columns.append(f"{word_number_sql(name, self._known_words(name))} AS w{at}")
            else:
                columns.append(f"CAST(coalesce(w{at}.n, -1) AS INTEGER) AS w{at}")
                joins += f" LEFT JOIN feature_words_{at} w{at} ON w{at}.word = {word_column(name)}"
        low, high = int(self.customers[part.first]), int(self.customers[part.stop - 1]) + 1
        return f"SELECT {', '.join(columns)} FROM {EVENTS} e{joins} WHERE {self._where(low, high)}"

    def _where(self, low: int, high: int) -> str:
        last = self.moments[-1].as_of_us
        conditions = [f"e.t_us <= {last}", f"e.known_us <= {last}"]
        conditions += [f"e.customer_no >= {low}", f"e.customer_no < {high}"]
        if self._longest is not None:
            conditions.append(f"e.dayno > {self.moments[0].as_of_day - self._longest}")
        if self._places is not None:
            conditions.append(f"e.customer_no IN (SELECT q.customer_no FROM {ASKED_CUSTOMERS} q)")
        return " AND ".join(conditions)

    @property
    def nothing(self) -> RawEvents:
        """No events."""
        none = np.zeros(0, np.int64)
        return RawEvents(
            none,
            none,
            none if len(self.moments) > 1 else None,
            none if len(self.moments) > 1 else None,
            (none.astype(np.uint8),) * -(-len(self._marks) // 8),
            (none,) * len(self._values),
            (none,) * len(self._words),
        )

    def events(self, batch: pa.RecordBatch) -> RawEvents:
        """What ``sql`` gave, as arrays."""
        columns = {
            name: column.to_numpy(zero_copy_only=False)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        place = columns["customer_no"] - np.int32(self._base)
        if self._places is not None:
            place = self._places[place]
        before = known = None
        if len(self.moments) > 1:
            moments = np.array([moment.as_of_us for moment in self.moments], np.int64)
            t_us, known_us = columns["t_us"], columns["known_us"]
            before = np.searchsorted(moments, t_us).astype(np.int16)
            known = before.copy()
            late = np.flatnonzero(known_us > t_us)
            known[late] = np.searchsorted(moments, known_us[late])
        marks = [columns[f"m{at}"] for at in range(-(-len(self._marks) // 8))]
        for at in range(len(marks)):
            lookup = self._marks_of_types(at)
            if lookup is not None:
                marks[at] = marks[at] | lookup[columns["kind"]]
        return RawEvents(
            place,
            columns["dayno"],
            before,
            known,
            tuple(marks),
            tuple(columns[f"v{at}"] for at in range(len(self._values))),
            tuple(columns[f"w{at}"] for at in range(len(self._words))),
        )

    def _marks_of_types(self, byte: int) -> Array | None:
        """For each number of a type the marks of its streams, in a byte; None: no such stream."""
        found = np.zeros(len(self.schema.event_types) + 1, np.uint8)
        streams = {mark: types for mark, types in self._types.items() if mark // 8 == byte}
        for mark, types in streams.items():
            for number, name in enumerate(self.schema.event_types, 1):
                found[number] |= (name in types) << mark % 8
        return found if streams else None
