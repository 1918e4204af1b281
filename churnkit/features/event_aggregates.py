"""The part of the statement that goes over the events: one scan, one group per request.

Each event becomes a few small whole numbers (its age in days, which streams it belongs to), and
each figure an aggregate over a CASE of them: measured in DuckDB 2.0, a CASE without ELSE costs
two thirds of a FILTER, and half of a CASE with ELSE 0. Days are gathered in bit sets of 64 days,
and words of which there are few in bit sets, too, so that nothing needs a DISTINCT. Other words
are found by a second scan that keeps the latest day of every word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from churnkit.data.event_tables import EVENTS, value_column
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.features.conditions import Stream, scaled, stream_sql
from churnkit.features.definitions import EVENT_TYPE, EventFeature
from churnkit.features.moment import Moment
from churnkit.features.words import MOST_WORDS, word_bits_sql, word_column

SET_DAYS = 64
MOST_SETS = 40
"""Longer spans of days are counted by grouping: 41 bit sets cost more than a second scan."""
_BIT = "CASE WHEN (age & 63) = 63 THEN -9223372036854775807 - 1 ELSE CAST(1 AS BIGINT) << (age & 63) END"  # noqa: E501 - one expression


@dataclass
class EventScan:
    """Collects what is needed of the events, and writes it as SQL.

    Parameters
    ----------
    schema : the log
    moment : the one moment of all requests, or None: each request has its own
    everyone : whether all customers are asked for, so that none need be left out
    words : text column → all words that the log holds in it, where they are few
    """

    schema: LogSchema
    moment: Moment | None
    everyone: bool
    words: Mapping[str, Sequence[str]]
    _per_event: dict[str, str] = field(default_factory=dict)
    _aggregates: dict[str, str] = field(default_factory=dict)
    _streams: dict[Stream, str] = field(default_factory=dict)
    _streams_used: set[Stream] = field(default_factory=set)
    _longest: int | None = 0
    _days: bool = False
    _rare: dict[tuple[Stream, str], dict[str, str]] = field(default_factory=dict)

    def figure(self, feature: EventFeature) -> str:
        """The SQL of a feature over the columns of ``joins``; may be NULL where nothing counts."""
        stream, window = Stream.of(feature), feature.window_days
        self._streams_used.add(stream)
        self._longest = (
            None if window is None or self._longest is None else max(self._longest, window)
        )
        match feature.aggregate:
            case "count":
                return f"coalesce({self._count(stream, window)}, 0)"
            case "sum":
                total = self._sum(stream, window, feature.column)
                return f"coalesce({scaled(total, feature.column, self.schema)}, 0e0)"
            case "mean":
                total = self._sum(stream, window, feature.column)
                column = self._value(feature.column)
                n = self._aggregate("count", column, stream, window)
                return (
                    f"{scaled(total, feature.column, self.schema)}"
                    f" / nullif(CAST({n} AS DOUBLE), 0e0)"
                )
            case "min" | "max":
                column = self._value(feature.column)
                found = self._aggregate(feature.aggregate, column, stream, window)
                return scaled(found, feature.column, self.schema)
            case "distinct":
                return f"coalesce({self._distinct(stream, window, feature.column)}, 0)"
            case "active_days":
                return f"coalesce({self._active_days(stream, window)}, 0)"
            case "recency_days":
                youngest = self._aggregate("min", "age", stream, None)
                if window is None:
                    return f"CAST({youngest} AS BIGINT)"
                return f"CASE WHEN {youngest} < {window} THEN CAST({youngest} AS BIGINT) END"
            case "since_first_days":
                return f"CAST({self._aggregate('max', 'age', stream, window)} AS BIGINT)"
            case "mean_gap_days":
                days = self._active_days(stream, window)
                first = self._aggregate("max", "age", stream, window)
                last = self._aggregate("min", "age", stream, None)
                return (
                    f"CASE WHEN {days} > 1 THEN CAST({first} - {last} AS DOUBLE)"
                    f" / CAST({days} - 1 AS DOUBLE) END"
                )

    # --- aggregates ------------------------------------------------------------------------

    def _count(self, stream: Stream, window: int | None) -> str:
        return self._aggregate("count", "1", stream, window)

    def _sum(self, stream: Stream, window: int | None, column: str) -> str:
        return self._aggregate("sum", self._value(column), stream, window)

    def _aggregate(self, function: str, of: str, stream: Stream, window: int | None) -> str:
        conditions = self._belongs(stream)
        if window is not None:
            conditions.append(f"age < {window}")
        return self._named(function, of, conditions)

    def _named(self, function: str, of: str, conditions: Sequence[str]) -> str:
        found = _counted(function, of, conditions)
        if function == "sum":  # DuckDB adds BIGINTs up to a HUGEINT
            found = f"CAST({found} AS BIGINT)"
        return "s." + self._aggregates.setdefault(found, f"x{len(self._aggregates)}")

    def _active_days(self, stream: Stream, window: int | None) -> str:
        span = window if window is not None else self._span()
        n_sets = MOST_SETS + 1 if span is None else -(-span // SET_DAYS)
        if n_sets > MOST_SETS:
            return self._distinct(stream, window, "")
        self._days = True
        counts = []
        for at in range(n_sets):
            first, end = at * SET_DAYS, (at + 1) * SET_DAYS
            days = self._named("bit_or", "bit", [*self._belongs(stream), f"span = {at}"])
            if window is not None and window < end:
                days = f"({days} & {(1 << (window - first)) - 1})"
            counts.append(f"coalesce(CAST(bit_count({days}) AS BIGINT), 0)")
        return f"({' + '.join(counts)})"

    def _span(self) -> int | None:
        """The most days that an event can be old, or None if that is not known."""
        if self.schema.first_us is None or self.schema.last_us is None:
            return None
        last = self.moment.as_of_us if self.moment else self.schema.last_us
        if self.moment is None:
            return None  # a request may look from any later day
        return max(1, (last - self.schema.first_us) // US_PER_DAY + 3)

    def _distinct(self, stream: Stream, window: int | None, column: str) -> str:
        """How many different words, or days if the column is empty."""
        few = self.schema.event_types if column == EVENT_TYPE else self.words.get(column, ())
        if 0 < len(few) <= MOST_WORDS:
            sql = word_bits_sql(column, few)
            bits = self._per_event.setdefault(sql, f"v{len(self._per_event)}")
            found = self._aggregate("bit_or", bits, stream, window)
            return f"CAST(bit_count({found}) AS BIGINT)"
        counts = self._rare.setdefault((stream, column), {})
        sql = _counted("count", "1", [] if window is None else [f"age < {window}"])
        at = list(self._rare).index((stream, column))
        return f"d{at}." + counts.setdefault(sql, f"x{len(counts)}")

    # --- what is needed of each event --------------------------------------------------------

    def _belongs(self, stream: Stream) -> list[str]:
        if stream.everything:
            return []
        name = self._streams.setdefault(stream, f"in{len(self._streams)}")
        return [name]

    def _value(self, column: str) -> str:
        return self._per_event.setdefault(f"e.{value_column(column)}", f"v{len(self._per_event)}")

    # --- the SQL -------------------------------------------------------------------------------

    def joins(self) -> str:
        """The LEFT JOINs that bring the figures to the requests ``r``."""
        parts = []
        if self._aggregates:
            parts.append(self._join("s", self._scan()))
        for at, ((stream, column), counts) in enumerate(self._rare.items()):
            parts.append(self._join(f"d{at}", self._scan_words(stream, column, counts)))
        return "".join(parts)

    @property
    def _keys(self) -> tuple[str, ...]:
        return ("customer_no",) if self.moment else ("customer_no", "as_of_us")

    def _join(self, name: str, sql: str) -> str:
        same = " AND ".join(f"{name}.{key} = r.{key}" for key in self._keys)
        return f"\nLEFT JOIN (\n{sql}\n) {name} ON {same}"

    def _scan(self) -> str:
        streams = [f"({stream_sql(s, self.schema)}) AS {name}" for s, name in self._streams.items()]
        columns = [f"{sql} AS {name}" for sql, name in self._per_event.items()]
        keys = ", ".join(self._keys)
        aged = self._facts([*streams, *columns], self._narrowed())
        if self._days:
            aged = f"SELECT *, age >> 6 AS span, {_BIT} AS bit FROM ({aged}) a"
        sums = ", ".join(f"{sql} AS {name}" for sql, name in self._aggregates.items())
        return f"SELECT {keys}, {sums}\nFROM ({aged}) f\nGROUP BY {keys}"

    def _scan_words(self, stream: Stream, column: str, counts: dict[str, str]) -> str:
        word = word_column(column) if column else "e.dayno"
        conditions = [part for part in (stream_sql(stream, self.schema),) if part]
        if column and column != EVENT_TYPE:
            conditions.append(f"{word} IS NOT NULL")
        facts = self._facts([f"{word} AS word"], conditions)
        keys = ", ".join(self._keys)
        latest = f"SELECT {keys}, word, min(age) AS age\nFROM ({facts}) f\nGROUP BY {keys}, word"
        sums = ", ".join(f"{sql} AS {name}" for sql, name in counts.items())
        return f"SELECT {keys}, {sums}\nFROM ({latest}) w\nGROUP BY {keys}"

    def _narrowed(self) -> list[str]:
        """Conditions that leave out events which no feature counts."""
        conditions = []
        # Recency and gaps look for the last event everywhere, but count it only in their window.
        if self._longest:
            day = str(self.moment.as_of_day) if self.moment else "r.as_of_day"
            conditions.append(f"e.dayno > {day} - {self._longest}")
        if self._streams and all(stream in self._streams for stream in self._streams_used):
            each = [f"({stream_sql(stream, self.schema)})" for stream in self._streams]
            conditions.append(f"({' OR '.join(each)})")
        return conditions

    def _facts(self, columns: list[str], conditions: list[str]) -> str:
        """The events that count, with their age in days."""
        if self.moment is not None:
            source = f"{EVENTS} e"
            us, day = str(self.moment.as_of_us), str(self.moment.as_of_day)
            keys = ["e.customer_no"]
            if not self.everyone:
                conditions = [
                    *conditions,
                    "e.customer_no IN (SELECT q.customer_no FROM feature_requests q)",
                ]
        else:
            distinct = "SELECT DISTINCT customer_no, as_of_us, as_of_day FROM feature_requests"
            source = f"{EVENTS} e JOIN ({distinct}) r ON e.customer_no = r.customer_no"
            us, day = "r.as_of_us", "r.as_of_day"
            keys = ["e.customer_no", "r.as_of_us"]
        listed = ", ".join([*keys, f"{day} - e.dayno AS age", *columns])
        where = " AND ".join([f"e.t_us <= {us}", f"e.known_us <= {us}", *conditions])
        return f"SELECT {listed} FROM {source} WHERE {where}"


def _counted(function: str, of: str, conditions: Sequence[str]) -> str:
    """An aggregate over the events for which all conditions hold."""
    if not conditions:
        return "count(*)" if (function, of) == ("count", "1") else f"{function}({of})"
    return f"{function}(CASE WHEN {' AND '.join(conditions)} THEN {of} END)"
