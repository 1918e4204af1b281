"""Whether a FeatureSet can be computed from a log: every mistake is named with its feature."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import assert_never

from churnkit.domain.events import LogSchema
from churnkit.errors import FeatureError, did_you_mean
from churnkit.features.compile import column_kind, parts
from churnkit.features.definitions import (
    EVENT_TYPE,
    AttributeFeature,
    Condition,
    EventFeature,
    Feature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
    Trend,
)

TAKEN = ("customer_id", "customer_no", "as_of", "as_of_us", "churned")
DEEPEST = 16
_OF_VALUES = ("sum", "mean", "min", "max")


def check_features(features: FeatureSet, schema: LogSchema, *, file: Path | None = None) -> None:
    """Check every feature against the log and against each other.

    Parameters
    ----------
    file : where the set was read from, for the message

    Raises
    ------
    FeatureError : the set is empty, two features have one name, a feature names something that is
        not there, lacks a column, is a trend of something that does not add up, or needs itself
    """
    if not features.features:
        raise FeatureError(
            "the set has no features.",
            fix="Let 'churnkit features suggest' propose some.",
            file=file,
        )
    by_name = _named(features, file)
    for feature in features.features:
        match feature:
            case EventFeature():
                _check_event(feature, schema, file)
            case AttributeFeature():
                if schema.attribute(feature.column) is None:
                    names = [column.name for column in schema.attributes]
                    raise _unknown("attribute", feature.column, names, feature, "column", file)
            case SubscriptionFeature():
                if not schema.has_subscriptions:
                    raise FeatureError(
                        "there are no subscriptions.",
                        fix="Import them, or remove this feature.",
                        file=file,
                        feature=feature.name,
                    )
            case Ratio() | Trend():
                pass
            case _:
                assert_never(feature)
    _check_order(by_name, file)
    for feature in features.features:
        if isinstance(feature, Ratio):
            _check_ratio(feature, by_name, schema, file)
        elif isinstance(feature, Trend):
            _check_trend(feature, by_name, file)


def _named(features: FeatureSet, file: Path | None) -> dict[str, Feature]:
    seen: dict[str, Feature] = {}
    for feature in features.features:
        folded = feature.name.casefold()
        if folded in seen:
            other = seen[folded].name
            alike = "" if other == feature.name else f" (as '{other}': case does not count)"
            raise FeatureError(
                f"the name '{feature.name}' is used twice{alike}.",
                fix="Rename one of them.",
                file=file,
                feature=feature.name,
                key="name",
            )
        if folded in TAKEN:
            raise FeatureError(
                f"'{feature.name}' is a column that every result has.",
                fix="Rename the feature.",
                file=file,
                feature=feature.name,
                key="name",
            )
        seen[folded] = feature
    return {feature.name: feature for feature in features.features}


def _unknown(
    what: str, given: str, known: Iterable[str], feature: Feature, key: str, file: Path | None
) -> FeatureError:
    return FeatureError(
        f"there is no {what} '{given}'.",
        fix=did_you_mean(given, known),
        file=file,
        feature=feature.name,
        key=key,
    )


# --- events -------------------------------------------------------------------------------


def _check_event(feature: EventFeature, schema: LogSchema, file: Path | None) -> None:
    values = [column.name for column in schema.values]
    words = [*schema.categories, EVENT_TYPE]
    if feature.aggregate in _OF_VALUES or feature.aggregate == "distinct":
        known = words if feature.aggregate == "distinct" else values
        kind = "text column" if feature.aggregate == "distinct" else "value"
        if not feature.column:
            raise FeatureError(
                f"'{feature.aggregate}' needs a {kind} to look at.",
                fix=f"Set column to one of: {', '.join(known) or '(the log has none)'}.",
                file=file,
                feature=feature.name,
                key="column",
            )
        if feature.column not in known:
            raise _unknown(kind, feature.column, known, feature, "column", file)
    elif feature.column:
        raise FeatureError(
            f"'{feature.aggregate}' looks at no column.",
            fix="Remove column; to filter by it, use where.",
            file=file,
            feature=feature.name,
            key="column",
        )
    for kind in feature.event_types:
        if kind not in schema.event_types:
            raise _unknown("event type", kind, schema.event_types, feature, "event_types", file)
    for at, condition in enumerate(feature.where):
        _check_condition(condition, feature, f"where[{at}]", schema, file)


def _check_condition(
    condition: Condition, feature: EventFeature, key: str, schema: LogSchema, file: Path | None
) -> None:
    def refuse(what: str, fix: str) -> FeatureError:
        return FeatureError(what, fix=fix, file=file, feature=feature.name, key=key)

    is_word = condition.column == EVENT_TYPE or condition.column in schema.categories
    if not is_word and schema.value(condition.column) is None:
        known = [*(column.name for column in schema.values), *schema.categories, EVENT_TYPE]
        raise _unknown("column of events", condition.column, known, feature, key, file)
    op, value = condition.op, condition.value
    if op in ("missing", "present"):
        if value is not None:
            raise refuse(f"'{op}' compares with nothing.", "Remove value.")
    elif op in ("in", "not in"):
        if not is_word:
            raise refuse(f"'{op}' is for text, '{condition.column}' is a number.", "Use = or <.")
        if not isinstance(value, tuple) or not value:
            raise refuse(f"'{op}' needs a list of texts.", 'Write value = ["a", "b"].')
    elif is_word:
        if not isinstance(value, str):
            raise refuse(f"'{condition.column}' is text.", 'Write value = "…", in quotes.')
        if op not in ("=", "!="):
            raise refuse(f"texts are not compared by '{op}'.", "Use =, !=, in or not in.")
    elif not isinstance(value, float) or not math.isfinite(value):
        raise refuse(f"'{condition.column}' is a number.", "Write value = 12.5, without quotes.")


# --- ratios and trends --------------------------------------------------------------------


def _check_order(by_name: Mapping[str, Feature], file: Path | None) -> None:
    derived = {name: one for name, one in by_name.items() if isinstance(one, Ratio | Trend)}
    for name, feature in derived.items():
        keys = ("numerator", "denominator") if isinstance(feature, Ratio) else ("recent", "base")
        for key, part in zip(keys, parts(feature), strict=True):
            if part not in by_name:
                others = [known for known in by_name if known != name]
                raise _unknown("feature", part, others, feature, key, file)
    waiting, done = dict(derived), set(by_name) - set(derived)
    depth = 0
    while waiting:
        ready = {name for name, one in waiting.items() if done.issuperset(parts(one))}
        if not ready:
            circle = _circle(waiting)
            raise FeatureError(
                f"the feature needs itself: {' → '.join(circle)}.",
                fix="Let one of them be made of other features.",
                file=file,
                feature=circle[0],
            )
        depth += 1
        if depth > DEEPEST:
            raise FeatureError(
                f"ratios of ratios go deeper than {DEEPEST} levels.",
                fix="Name the features that are meant.",
                file=file,
                feature=min(ready),
            )
        done |= ready
        waiting = {name: one for name, one in waiting.items() if name not in ready}


def _circle(waiting: Mapping[str, Ratio | Trend]) -> list[str]:
    """One chain of parts that comes back to where it began; none of these can be computed."""
    path = [next(iter(waiting))]
    while True:
        part = next(name for name in parts(waiting[path[-1]]) if name in waiting)
        if part in path:
            return [*path[path.index(part) :], part]
        path.append(part)


def _check_ratio(
    feature: Ratio, by_name: Mapping[str, Feature], schema: LogSchema, file: Path | None
) -> None:
    for key, name in zip(("numerator", "denominator"), parts(feature), strict=True):
        kind = column_kind(by_name[name], schema)
        if kind not in ("integer", "number"):
            raise FeatureError(
                f"'{name}' is no number, so it has no ratio.",
                fix="Name a feature that is a number.",
                file=file,
                feature=feature.name,
                key=key,
            )


def _check_trend(feature: Trend, by_name: Mapping[str, Feature], file: Path | None) -> None:
    def refuse(what: str, fix: str, key: str) -> FeatureError:
        return FeatureError(what, fix=fix, file=file, feature=feature.name, key=key)

    recent, base = by_name[feature.recent], by_name[feature.base]
    for key, part in (("recent", recent), ("base", base)):
        if not isinstance(part, EventFeature) or part.aggregate not in ("count", "sum"):
            shown = part.aggregate if isinstance(part, EventFeature) else part.kind
            raise refuse(
                f"'{part.name}' ({shown}) does not add up over days, so it has no daily rate.",
                "Use a count or a sum, or make it a ratio.",
                key,
            )
        if part.window_days is None:
            raise refuse(
                f"'{part.name}' has no window, so it has no daily rate.", "Set window_days.", key
            )
    assert isinstance(recent, EventFeature)
    assert isinstance(base, EventFeature)
    same = {"name": "", "window_days": None}
    if recent.model_copy(update=same) != base.model_copy(update=same):
        raise refuse(
            f"'{recent.name}' and '{base.name}' measure different things.",
            "A trend compares one figure in two windows; for two figures use a ratio.",
            "base",
        )
    if (recent.window_days or 0) >= (base.window_days or 0):
        raise refuse(
            f"the recent window ({recent.window_days} days) is not shorter than the base "
            f"({base.window_days} days).",
            "Swap them, or choose other windows.",
            "recent",
        )
