"""Events from DuckDB as arrays: a range of customers at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from churnkit.features.words import MOST_WORDS, word_bits_sql, word_column

_SLICES = 4096
"""So many ranges of customers are counted, to be joined to parts of about the same size."""
_MOST_CUSTOMERS = 2_000_000
"""In one part."""


@dataclass(frozen=True)
class Part:
    """Customers from place ``first`` up to ``stop``, and how many events of theirs are read."""

    first: int
    stop: int
    n_events: int


@dataclass(frozen=True)
class RawEvents:
    """The events of a part in no order; the columns are those of ``block_figures.Events``.

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
    _values: list[str] = field(default_factory=list)
    _words: list[str] = field(default_factory=list)
    _longest: int | None = 0

    def __post_init__(self) -> None:
        found = self.connection.execute(
            f"SELECT customer_no FROM {ASKED_CUSTOMERS} WHERE customer_no >= 0 ORDER BY 1"
        ).fetchnumpy()
        self.customers: Array = np.asarray(found["customer_no"], np.int32)
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
        marks = () if stream.everything else (self._mark(stream_sql(stream, self.schema)),)
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
        """How much memory an event takes while its part is worked on."""
        n_marks = -(-len(self._marks) // 8)
        return 32 + n_marks + 8 * (len(self._values) + len(self._words))

    def parts(self, most_events: int) -> list[Part]:
        """Cut the customers into ranges of about so many events."""
        if not len(self.customers):
            return []
        span = int(self.customers[-1]) - self._base + 1
        width = -(-span // _SLICES)
        rows = self.connection.execute(
            f"SELECT (e.customer_no - {self._base}) // {width}, count(*) FROM {EVENTS} e "
            f"WHERE {self._where(self._base, self._base + span)} GROUP BY 1"
        ).fetchall()
        counts = dict(rows)
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
        marks = list(self._marks)
        for at in range(0, len(marks), 8):
            bits = [
                f"CASE WHEN {condition} THEN {1 << bit} ELSE 0 END"
                for bit, condition in enumerate(marks[at : at + 8])
            ]
            columns.append(f"CAST({' + '.join(bits)} AS UTINYINT) AS m{at // 8}")
        columns += [
            f"coalesce(e.{value_column(name)}, 0) AS v{at}" for at, name in enumerate(self._values)
        ]
        joins = ""
        for at, name in enumerate(self._words):
            if self._few(name):
                columns.append(
                    f"coalesce({word_bits_sql(name, self._known_words(name))}, 0) AS w{at}"
                )
            else:
                columns.append(f"coalesce(w{at}.n, -1) AS w{at}")
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

    def collect(self, batches: Iterator[pa.RecordBatch], part: Part) -> RawEvents:
        """Put what ``sql`` gave into arrays."""
        n, n_marks = part.n_events, -(-len(self._marks) // 8)
        place, day = np.empty(n, np.int32), np.empty(n, np.int32)
        several = len(self.moments) > 1
        before, known = (np.empty(n if several else 0, np.int16) for _ in range(2))
        kinds = [*([np.uint8] * n_marks), *([np.int64] * (len(self._values) + len(self._words)))]
        others: list[Array] = [np.empty(n, kind) for kind in kinds]
        moments = np.array([moment.as_of_us for moment in self.moments], np.int64)
        filled = 0
        for batch in batches:
            columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
            here = slice(filled, filled + batch.num_rows)
            found = (
                columns[0] - self._base
                if self._places is None
                else self._places[columns[0] - self._base]
            )
            place[here], day[here] = found, columns[1]
            if several:
                first = np.searchsorted(moments, columns[2])
                before[here] = first
                late = np.flatnonzero(columns[3] > columns[2])
                first[late] = np.searchsorted(moments, columns[3][late])
                known[here] = first
            for kept, column in zip(others, columns[4 if several else 2 :], strict=True):
                kept[here] = column
            filled += batch.num_rows
        assert filled == n, (filled, n)  # the log does not change while it is open
        n_values = n_marks + len(self._values)
        return RawEvents(
            place,
            day,
            before if several else None,
            known if several and (known > before).any() else None,
            tuple(others[:n_marks]),
            tuple(others[n_marks:n_values]),
            tuple(others[n_values:]),
        )
