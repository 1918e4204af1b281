"""A FeatureSet as one SQL statement that DuckDB and Spark run unchanged.

It reads ``events``, ``attributes``, ``subscriptions`` and ``feature_requests`` (customer_no
INTEGER, as_of_us BIGINT, as_of_day INTEGER), and gives exactly one row for each distinct request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol, assert_never

from churnkit.data.event_tables import attribute_column, quoted
from churnkit.domain.events import LogSchema
from churnkit.features.definitions import (
    AttributeFeature,
    EventFeature,
    Feature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
    Trend,
)
from churnkit.features.event_aggregates import EventScan
from churnkit.features.histories import attributes_sql, subscriptions_sql
from churnkit.features.moment import Moment

REQUESTS = "feature_requests"
"""The relation of what is asked for, beside the tables of the event project."""
KEYS = ("customer_no", "as_of_us")
ColumnKind = Literal["integer", "number", "boolean", "category"]
_WHOLE = ("count", "distinct", "active_days", "recency_days", "since_first_days")


class EventFigures(Protocol):
    """Where event features come from."""

    def figure(self, feature: EventFeature) -> str:
        """The SQL of a feature over the columns of ``joins``."""

    def joins(self) -> str:
        """The LEFT JOINs that bring those columns to the requests ``r``."""


@dataclass(frozen=True)
class Statement:
    """The SQL, and what it gives.

    Attributes
    ----------
    sql : gives ``customer_no``, ``as_of_us`` and the features in their order
    columns : feature → kind: integer (BIGINT), number (DOUBLE), boolean or category (VARCHAR)
    """

    sql: str
    columns: Mapping[str, ColumnKind]


def compile_features(
    features: FeatureSet,
    schema: LogSchema,
    *,
    moment: Moment | None = None,
    everyone: bool = False,
    words: Mapping[str, Sequence[str]] = MappingProxyType({}),
    repeated: bool = True,
    given: EventFigures | None = None,
) -> Statement:
    """Write the statement.

    Parameters
    ----------
    features : a set that was checked against the log (``check_features``)
    schema : the log
    moment : the moment of *all* requests, if they share one: quicker. None: any requests
    everyone : whether (nearly) all customers are requested; changes the speed, not the result
    words : text column of events → *all* words that the log holds in it, if they are few
    repeated : whether a request may be there twice; False promises that none is: quicker
    given : where event features come from; None: the statement computes them from the events
    """
    scan = given or EventScan(schema, moment, everyone, words)
    direct: dict[str, str] = {}
    attributes: list[str] = []
    subscriptions = False
    for feature in features.features:
        match feature:
            case EventFeature():
                direct[feature.name] = scan.figure(feature)
            case AttributeFeature():
                if feature.column not in attributes:
                    attributes.append(feature.column)
                direct[feature.name] = f"a.{attribute_column(feature.column)}"
            case SubscriptionFeature():
                subscriptions = True
                found = f"CAST(p.{feature.figure} AS BIGINT)"
                whole = feature.figure == "periods"
                direct[feature.name] = f"coalesce({found}, 0)" if whole else found
            case Ratio() | Trend():
                pass
            case _:
                assert_never(feature)
    joins = scan.joins()
    if attributes:
        joins += _join("a", attributes_sql(attributes, schema))
    if subscriptions:
        joins += _join("p", subscriptions_sql(schema))
    listed = "".join(f",\n  {sql} AS {quoted(name)}" for name, sql in direct.items())
    sql = (
        f"SELECT r.customer_no, r.as_of_us{listed}\n"
        f"FROM (SELECT {'DISTINCT ' * repeated}customer_no, as_of_us, as_of_day "
        f"FROM {REQUESTS}) r{joins}"
    )
    by_name = {feature.name: feature for feature in features.features}
    for layer in _layers(by_name):
        more = "".join(f",\n  {_derived(one, by_name)} AS {quoted(one.name)}" for one in layer)
        sql = f"SELECT *{more}\nFROM (\n{sql}\n) t"
    ordered = ", ".join([*KEYS, *map(quoted, by_name)])
    return Statement(
        sql=f"SELECT {ordered}\nFROM (\n{sql}\n) t",
        columns={name: column_kind(feature, schema) for name, feature in by_name.items()},
    )


def column_kind(feature: Feature, schema: LogSchema) -> ColumnKind:
    """The type of a feature's column."""
    match feature:
        case EventFeature():
            return "integer" if feature.aggregate in _WHOLE else "number"
        case AttributeFeature():
            found = schema.attribute(feature.column)
            assert found is not None, feature.column  # the set was checked
            return found.kind
        case SubscriptionFeature():
            return "integer"
        case Ratio() | Trend():
            return "number"
        case _:
            assert_never(feature)


def parts(feature: Ratio | Trend) -> tuple[str, str]:
    """The names above and below the line."""
    if isinstance(feature, Ratio):
        return feature.numerator, feature.denominator
    return feature.recent, feature.base


def _layers(by_name: Mapping[str, Feature]) -> list[list[Ratio | Trend]]:
    """Ratios and trends, those first that need no other one."""
    waiting = [one for one in by_name.values() if isinstance(one, Ratio | Trend)]
    done = {name for name, one in by_name.items() if not isinstance(one, Ratio | Trend)}
    layers: list[list[Ratio | Trend]] = []
    while waiting:
        ready = [one for one in waiting if done.issuperset(parts(one))]
        assert ready, waiting  # a checked set has no circles
        layers.append(ready)
        done.update(one.name for one in ready)
        waiting = [one for one in waiting if one not in ready]
    return layers


def _derived(feature: Ratio | Trend, by_name: Mapping[str, Feature]) -> str:
    above, below = (f"CAST({quoted(name)} AS DOUBLE)" for name in parts(feature))
    if isinstance(feature, Ratio):
        return f"{above} / nullif({below}, 0e0)"
    days = []
    for name in parts(feature):
        part = by_name[name]
        assert isinstance(part, EventFeature)
        assert part.window_days is not None  # the set was checked
        days.append(f"{part.window_days}e0")
    return f"({above} / {days[0]}) / nullif({below} / {days[1]}, 0e0)"


def _join(name: str, sql: str) -> str:
    return (
        f"\nLEFT JOIN (\n{sql}\n) {name} "
        f"ON {name}.customer_no = r.customer_no AND {name}.as_of_us = r.as_of_us"
    )
