"""The features by the words of the docstring of ``definitions``, one fact after the other."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

from churnkit.domain.moments import day_number
from churnkit.features.definitions import (
    AttributeFeature,
    Condition,
    EventFeature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
)
from tests.features.event_logs import Event, Log

_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda found, wanted: found in wanted,
    "not in": lambda found, wanted: found not in wanted,
}


def reference(log: Log, features: FeatureSet, customer: str, as_of_us: int) -> dict[str, Any]:
    """The values of one customer at one moment."""
    today = day_number(as_of_us, log.zone)
    by_name = {feature.name: feature for feature in features.features}

    def value(name: str) -> Any:
        feature = by_name[name]
        if isinstance(feature, EventFeature):
            return _event_figure(log, feature, customer, as_of_us, today)
        if isinstance(feature, AttributeFeature):
            return _attribute(log, feature.column, customer, as_of_us)
        if isinstance(feature, SubscriptionFeature):
            return _subscription(log, feature.figure, customer, as_of_us, today)
        if isinstance(feature, Ratio):
            above, below = value(feature.numerator), value(feature.denominator)
            return None if above is None or not below else above / below
        recent, base = value(feature.recent), value(feature.base)
        if recent is None or not base:
            return None
        recent_days = by_name[feature.recent].window_days  # type: ignore[union-attr]
        base_days = by_name[feature.base].window_days  # type: ignore[union-attr]
        return (recent / recent_days) / (base / base_days)

    return {name: value(name) for name in by_name}


def _event_figure(log: Log, feature: EventFeature, customer: str, as_of_us: int, today: int) -> Any:
    counted = [
        event
        for event in log.events
        if event.customer == customer
        and event.t_us <= as_of_us
        and event.known <= as_of_us
        and (not feature.event_types or event.kind in feature.event_types)
        and all(_holds(condition, event) for condition in feature.where)
    ]
    day = {id(event): day_number(event.t_us, log.zone) for event in counted}
    if feature.window_days is not None:
        counted = [e for e in counted if today - feature.window_days + 1 <= day[id(e)] <= today]
    days = sorted({day[id(event)] for event in counted})
    present = [event.amount for event in counted if event.amount is not None]
    match feature.aggregate:
        case "count":
            return len(counted)
        case "sum":
            return sum(present) / 100
        case "mean":
            return sum(present) / 100 / len(present) if present else None
        case "min":
            return min(present) / 100 if present else None
        case "max":
            return max(present) / 100 if present else None
        case "distinct":
            words = {_read(feature.column, event) for event in counted}
            return len(words - {None})
        case "active_days":
            return len(days)
        case "recency_days":
            return today - days[-1] if days else None
        case "since_first_days":
            return today - days[0] if days else None
        case "mean_gap_days":
            gaps = [later - earlier for earlier, later in itertools.pairwise(days)]
            return sum(gaps) / len(gaps) if gaps else None


def _read(column: str, event: Event) -> Any:
    if column == "event_type":
        return event.kind
    if column == "channel":
        return event.channel
    return None if event.amount is None else event.amount / 100


def _holds(condition: Condition, event: Event) -> bool:
    found = _read(condition.column, event)
    if condition.op == "missing":
        return found is None
    if condition.op == "present":
        return found is not None
    return found is not None and _OPS[condition.op](found, condition.value)


def _attribute(log: Log, column: str, customer: str, as_of_us: int) -> Any:
    known = [
        version
        for version in log.versions
        if version.customer == customer
        and version.valid_from_us <= as_of_us
        and version.known_us <= as_of_us
    ]
    if not known:
        return None
    return getattr(max(known, key=lambda v: (v.valid_from_us, v.known_us)), column)


def _subscription(log: Log, figure: str, customer: str, as_of_us: int, today: int) -> Any:
    latest: dict[int, tuple[int, float, int | None]] = {}
    for period in log.periods:
        if period.customer != customer or max(period.start_us, period.known_us) > as_of_us:
            continue
        end = float("inf") if period.end_us is None else period.end_us
        told = (period.known_us, end, period.end_us)
        latest[period.start_us] = max(latest.get(period.start_us, told), told)
    if figure == "periods":
        return len(latest)
    if not latest:
        return None
    if figure == "tenure_days":
        return today - day_number(min(latest), log.zone)
    running = [end for _, _, end in latest.values() if end is None or end > as_of_us]
    if not running or None in running:
        return None
    return day_number(max(end for end in running if end is not None), log.zone) - today
