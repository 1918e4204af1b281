"""The part of the statement that goes over the events: one scan, one group per request.

Each event becomes a few small whole numbers (its age in days, which streams it belongs to), and
each figure an aggregate with a filter over them. Days are gathered in bit sets of 62 days, so that
active days need no DISTINCT. Different words of a category are found by a second scan that keeps
the latest day of every word.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from churnkit.data.event_tables import EVENTS, category_column, value_column
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.features.conditions import Stream, scaled, stream_sql
from churnkit.features.definitions import EVENT_TYPE, EventFeature
from churnkit.features.moment import Moment

SET_DAYS = 62
"""Days in one bit set: a shift by 63 overflows a signed BIGINT."""
MOST_SETS = 40
"""Longer spans of days are counted by grouping: 41 bit sets cost more than a second scan."""


@dataclass
class EventScan:
    """Collects what is needed of the events, and writes it as SQL.

    Parameters
    ----------
    schema : the log
    moment : the one moment of all requests, or None: each request has its own
    everyone : whether all customers are asked for, so that none need be left out
    """

    schema: LogSchema
    moment: Moment | None
    everyone: bool
    _per_event: dict[str, str] = field(default_factory=dict)
    _aggregates: dict[str, str] = field(default_factory=dict)
    _streams: dict[Stream, str] = field(default_factory=dict)
    _streams_used: set[Stream] = field(default_factory=set)
    _longest: int | None = 0
    _words: dict[tuple[Stream, str], dict[str, str]] = field(default_factory=dict)

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
                n = self._aggregate(f"count({column})", stream, window)
                return (
                    f"{scaled(total, feature.column, self.schema)}"
                    f" / nullif(CAST({n} AS DOUBLE), 0e0)"
                )
            case "min" | "max":
                column = self._value(feature.column)
                found = self._aggregate(f"{feature.aggregate}({column})", stream, window)
                return scaled(found, feature.column, self.schema)
            case "distinct":
                return f"coalesce({self._distinct(stream, window, feature.column)}, 0)"
            case "active_days":
                return f"coalesce({self._active_days(stream, window)}, 0)"
            case "recency_days":
                youngest = self._aggregate("min(age)", stream, None)
                if window is None:
                    return f"CAST({youngest} AS BIGINT)"
                return f"CASE WHEN {youngest} < {window} THEN CAST({youngest} AS BIGINT) END"
            case "mean_gap_days":
                days = self._active_days(stream, window)
                first = self._aggregate("max(age)", stream, window)
                last = self._aggregate("min(age)", stream, None)
                return (
                    f"CASE WHEN {days} > 1 THEN CAST({first} - {last} AS DOUBLE)"
                    f" / CAST({days} - 1 AS DOUBLE) END"
                )

    # --- aggregates ------------------------------------------------------------------------

    def _count(self, stream: Stream, window: int | None) -> str:
        return self._aggregate("count(*)", stream, window)

    def _sum(self, stream: Stream, window: int | None, column: str) -> str:
        return self._aggregate(
            f"CAST(sum({self._value(column)})", stream, window, end=" AS BIGINT)"
        )

    def _aggregate(self, sql: str, stream: Stream, window: int | None, *, end: str = "") -> str:
        filters = [*self._belongs(stream), *([f"age < {window}"] if window is not None else [])]
        return self._named(sql + _filter(filters) + end)

    def _named(self, sql: str) -> str:
        return "s." + self._aggregates.setdefault(sql, f"x{len(self._aggregates)}")

    def _active_days(self, stream: Stream, window: int | None) -> str:
        span = window if window is not None else self._span()
        n_sets = MOST_SETS + 1 if span is None else -(-span // SET_DAYS)
        if n_sets > MOST_SETS:
            return self._distinct(stream, window, "")
        self._per_event.setdefault(f"CAST(1 AS BIGINT) << (age % {SET_DAYS})", "bit")
        counts = []
        for at in range(n_sets):
            first, end = at * SET_DAYS, (at + 1) * SET_DAYS
            filters = [*self._belongs(stream), f"age >= {first}", f"age < {end}"]
            days = self._named(f"bit_or(bit){_filter(filters)}")
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
        counts = self._words.setdefault((stream, column), {})
        sql = f"count(*){_filter([f'age < {window}'] if window is not None else [])}"
        at = list(self._words).index((stream, column))
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
        for at, ((stream, column), counts) in enumerate(self._words.items()):
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
        columns = [f"{sql} AS {name}" for sql, name in self._per_event.items() if name != "bit"]
        bits = [f"{sql} AS {name}" for sql, name in self._per_event.items() if name == "bit"]
        keys = ", ".join(self._keys)
        aged = self._facts([*streams, *columns], self._narrowed())
        if bits:
            aged = f"SELECT *, {', '.join(bits)} FROM ({aged}) a"
        sums = ", ".join(f"{sql} AS {name}" for sql, name in self._aggregates.items())
        return f"SELECT {keys}, {sums}\nFROM ({aged}) f\nGROUP BY {keys}"

    def _scan_words(self, stream: Stream, column: str, counts: dict[str, str]) -> str:
        if column:
            word = f"e.{EVENT_TYPE if column == EVENT_TYPE else category_column(column)}"
        else:
            word = "e.dayno"
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


def _filter(conditions: list[str]) -> str:
    return f" FILTER (WHERE {' AND '.join(conditions)})" if conditions else ""
