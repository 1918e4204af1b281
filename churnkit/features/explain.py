"""One customer's features at one moment, down to the facts that they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from churnkit.data.event_tables import (
    ATTRIBUTES,
    EVENTS,
    SUBSCRIPTIONS,
    attribute_column,
    category_column,
    value_column,
)
from churnkit.domain.events import LogSchema
from churnkit.features.compile import parts
from churnkit.features.conditions import Stream, scaled, stream_sql
from churnkit.features.definitions import (
    EVENT_TYPE,
    AttributeFeature,
    EventFeature,
    Feature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
    Trend,
)
from churnkit.features.moment import Moment

Value = int | float | str | bool | None

COUNTED = "counted"
AFTER = "after as_of"
UNKNOWN = "not yet known"
OTHER_TYPE = "another type"
FILTERED = "left out by where"
OUTSIDE = "outside the window"
NO_VALUE = "without a value"
HOLDS = "holds"
OLDER = "an older version"
TOLD_AGAIN = "told again later"


@dataclass(frozen=True)
class Fact:
    """An event, a version of the attributes, or a subscription period.

    ``shown`` is what a person reads: type and columns with their values.
    """

    t_us: int
    known_us: int
    shown: str


@dataclass(frozen=True)
class Group:
    """The facts of which one thing is to be said; ``facts`` are the newest of ``n``."""

    what: str
    n: int
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Origin:
    """A feature, its value, and where that came from.

    Attributes
    ----------
    meaning : the definition as a sentence
    groups : what counted, then what did not, by reason
    made_of : of a ratio or trend, its parts' values
    """

    feature: Feature
    value: Value
    meaning: str
    groups: tuple[Group, ...] = ()
    made_of: tuple[tuple[str, Value], ...] = ()


def explain_features(
    connection: duckdb.DuckDBPyConnection,
    features: FeatureSet,
    schema: LogSchema,
    values: dict[str, Value],
    *,
    customer_no: int,
    moment: Moment,
    at_most: int = 5,
) -> list[Origin]:
    """Say of each value which facts it came from, and why the other ones did not count.

    Parameters
    ----------
    values : the customer's features at the moment, as ``stream_features`` gave them
    at_most : so many facts are shown of each group; all are counted
    """
    events = _Events(connection, features, schema, customer_no, moment)
    origins = []
    for feature in features.features:
        groups: tuple[Group, ...] = ()
        made_of: tuple[tuple[str, Value], ...] = ()
        if isinstance(feature, EventFeature):
            groups = events.groups(feature, at_most)
        elif isinstance(feature, AttributeFeature):
            groups = _versions(connection, schema, feature, customer_no, moment, at_most)
        elif isinstance(feature, SubscriptionFeature):
            groups = _periods(connection, customer_no, moment, at_most)
        else:
            made_of = tuple((name, values[name]) for name in parts(feature))
        origins.append(Origin(feature, values[feature.name], meaning(feature), groups, made_of))
    return origins


def meaning(feature: Feature) -> str:
    """A feature's definition as a phrase."""
    match feature:
        case EventFeature():
            what = (
                f"{feature.aggregate} of {feature.column}"
                if feature.column
                else (feature.aggregate)
            )
            types = f" of {', '.join(feature.event_types)}" if feature.event_types else ""
            if feature.column and types:
                types = types.replace(" of ", " over ", 1)
            where = "".join(
                f", {c.column} {c.op}" + ("" if c.value is None else f" {_shown(c.value)}")
                for c in feature.where
            )
            window = f" in {feature.window_days} days" if feature.window_days else " since ever"
            return f"{what}{types}{where}{window}"
        case Ratio():
            return f"{feature.numerator} / {feature.denominator}"
        case Trend():
            return f"daily rate of {feature.recent} / daily rate of {feature.base}"
        case AttributeFeature():
            return f"attribute {feature.column} as of the moment"
        case SubscriptionFeature():
            return f"{feature.figure} of the subscription"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(map(str, value)) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Events:
    """All events of the customer, each with what every stream says of it."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        features: FeatureSet,
        schema: LogSchema,
        customer_no: int,
        moment: Moment,
    ) -> None:
        self._moment = moment
        wanted = [one for one in features.features if isinstance(one, EventFeature)]
        self._streams = list(dict.fromkeys(Stream.of(feature) for feature in wanted))
        flags = [f"coalesce({stream_sql(s, schema) or 'true'}, false)" for s in self._streams]
        self._shown = [
            *((c.name, scaled(f"e.{value_column(c.name)}", c.name, schema)) for c in schema.values),
            *((name, f"e.{category_column(name)}") for name in schema.categories),
        ]
        listed = ", ".join([*flags, *(sql for _, sql in self._shown)])
        self._rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT e.t_us, e.known_us, e.dayno, CAST(e.event_type AS VARCHAR)"
            f"{', ' + listed if listed else ''} FROM {EVENTS} e WHERE e.customer_no = ? "
            "ORDER BY e.t_us DESC, e.known_us DESC",
            [customer_no],
        ).fetchall()

    def groups(self, feature: EventFeature, at_most: int) -> tuple[Group, ...]:
        """The events by what became of them, those that counted first."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        for row in self._rows:
            found.setdefault(self._verdict(feature, row), []).append(row)
        order = (COUNTED, AFTER, UNKNOWN, OTHER_TYPE, FILTERED, OUTSIDE, NO_VALUE)
        return tuple(
            Group(what, len(found[what]), tuple(self._fact(r) for r in found[what][:at_most]))
            for what in order
            if what in found
        )

    def _verdict(self, feature: EventFeature, row: tuple[Any, ...]) -> str:
        t_us, known_us, dayno, kind = row[:4]
        if t_us > self._moment.as_of_us:
            return AFTER
        if known_us > self._moment.as_of_us:
            return UNKNOWN
        if feature.event_types and kind not in feature.event_types:
            return OTHER_TYPE
        if not row[4 + self._streams.index(Stream.of(feature))]:
            return FILTERED
        window = feature.window_days
        if window is not None and dayno <= self._moment.as_of_day - window:
            return OUTSIDE
        names = [name for name, _ in self._shown]
        if feature.column and feature.column != EVENT_TYPE:
            place = 4 + len(self._streams) + names.index(feature.column)
            if row[place] is None:
                return NO_VALUE
        return COUNTED

    def _fact(self, row: tuple[Any, ...]) -> Fact:
        columns = row[4 + len(self._streams) :]
        told = [
            f"{name} {_shown(value)}"
            for (name, _), value in zip(self._shown, columns, strict=True)
            if value is not None
        ]
        return Fact(row[0], row[1], ", ".join([row[3], *told]))


def _grouped(named: list[tuple[str, Fact]], at_most: int) -> tuple[Group, ...]:
    found: dict[str, list[Fact]] = {}
    for what, fact in named:
        found.setdefault(what, []).append(fact)
    order = (HOLDS, COUNTED, OLDER, TOLD_AGAIN, AFTER, UNKNOWN)
    return tuple(
        Group(what, len(found[what]), tuple(found[what][:at_most]))
        for what in order
        if what in found
    )


def _versions(
    connection: duckdb.DuckDBPyConnection,
    schema: LogSchema,
    feature: AttributeFeature,
    customer_no: int,
    moment: Moment,
    at_most: int,
) -> tuple[Group, ...]:
    ties = ", ".join(f"{attribute_column(a.name)} DESC NULLS LAST" for a in schema.attributes)
    rows = connection.execute(
        f"SELECT valid_from_us, known_us, {attribute_column(feature.column)} FROM {ATTRIBUTES} "
        f"WHERE customer_no = ? ORDER BY valid_from_us DESC, known_us DESC, {ties}",
        [customer_no],
    ).fetchall()
    named: list[tuple[str, Fact]] = []
    holds = False
    for valid_from, known, value in rows:
        what = AFTER if valid_from > moment.as_of_us else UNKNOWN
        if max(valid_from, known) <= moment.as_of_us:
            what, holds = (OLDER if holds else HOLDS), True
        shown = "missing" if value is None else _shown(value)
        named.append((what, Fact(valid_from, known, f"{feature.column} {shown}")))
    return _grouped(named, at_most)


def _periods(
    connection: duckdb.DuckDBPyConnection, customer_no: int, moment: Moment, at_most: int
) -> tuple[Group, ...]:
    rows = connection.execute(
        f"SELECT start_us, known_us, CASE WHEN end_us IS NULL THEN 'open' ELSE 'until ' || "
        f"strftime(make_timestamp(end_us), '%Y-%m-%d %H:%M UTC') END FROM {SUBSCRIPTIONS} "
        "WHERE customer_no = ? ORDER BY start_us DESC, known_us DESC, end_us DESC NULLS FIRST",
        [customer_no],
    ).fetchall()
    named: list[tuple[str, Fact]] = []
    told: set[int] = set()
    for start, known, shown in rows:
        what = AFTER if start > moment.as_of_us else UNKNOWN
        if max(start, known) <= moment.as_of_us:
            what = TOLD_AGAIN if start in told else COUNTED
            told.add(start)
        named.append((what, Fact(start, known, shown)))
    return _grouped(named, at_most)
