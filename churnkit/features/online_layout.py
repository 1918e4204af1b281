"""What a customer's online state must hold so that every feature of a set can be read from it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from churnkit.domain.events import LogSchema
from churnkit.features.definitions import (
    Aggregate,
    Condition,
    EventFeature,
    Feature,
    FeatureSet,
    Ratio,
    Trend,
)

Number = int | None
Word = str | None

EVENT_TYPE = "event_type"


@dataclass(frozen=True, slots=True)
class OnlineEvent:
    """One event in the form in which all engines store it.

    ``values`` and ``categories`` are in the order of the log's schema; ``key`` tells a second
    delivery of the same event from another event.
    """

    t_us: int
    known_us: int
    dayno: int
    event_type: str
    values: tuple[Number, ...]
    categories: tuple[Word, ...]
    key: str


@dataclass(frozen=True)
class Stream:
    """Events that pass one filter, and what of them is summed up per day.

    ``values`` and ``words`` are positions in the log's columns (-1 among the words is the type).
    """

    event_types: frozenset[str]
    where: tuple[Condition, ...]
    values: tuple[int, ...]
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """Where an event feature is read: from which stream, and at which place of its sums.

    ``place`` is the position among the stream's values (sum, mean, min, max; ``unit`` is what one
    unit of the value is stored as) or among its words (distinct).
    """

    aggregate: Aggregate
    stream: int
    window_days: int | None
    place: int = 0
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class Quotient:
    """A ratio or trend: its parts, each divided by its days (1 for a ratio)."""

    name: str
    above: str
    above_days: float
    below: str
    below_days: float


@dataclass(frozen=True)
class Layout:
    """The streams of a FeatureSet, and how far back single days are needed.

    Attributes
    ----------
    streams : one for each filter that the features use
    figures : name of an event feature → where it is read
    keep_days : the longest window in days; older days are folded into one
    lateness_us : how old an event may be when it arrives
    """

    schema: LogSchema
    features: FeatureSet
    streams: tuple[Stream, ...]
    figures: Mapping[str, Figure]
    keep_days: int
    lateness_us: int

    @cached_property
    def tests(self) -> tuple[Callable[[OnlineEvent], bool], ...]:
        """For each stream, whether an event belongs to it."""
        return tuple(_test(stream, self.schema) for stream in self.streams)

    @cached_property
    def quotients(self) -> tuple[Quotient, ...]:
        """Ratios and trends, those first that need no other one."""
        features = {feature.name: feature for feature in self.features.features}
        waiting = [one for one in features.values() if isinstance(one, Ratio | Trend)]
        done = features.keys() - {one.name for one in waiting}
        ordered: list[Quotient] = []
        while waiting:
            ready = [_quotient(one, features) for one in waiting]
            ready = [one for one in ready if {one.above, one.below} <= done]
            assert ready, waiting  # a checked set has no circles
            ordered += ready
            done |= {one.name for one in ready}
            waiting = [one for one in waiting if one.name not in done]
        return tuple(ordered)

    @cached_property
    def windows(self) -> tuple[tuple[int, ...], ...]:
        """For each stream its windows in days, the shortest first; 0 means all days."""
        lengths: list[set[int]] = [set() for _ in self.streams]
        for figure in self.figures.values():
            lengths[figure.stream].add(figure.window_days or 0)
        return tuple(tuple(sorted(one, key=lambda days: days or math.inf)) for one in lengths)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex); a state can be read only with the layout that wrote it."""
        text = json.dumps(
            [
                self.features.content_hash(),
                [column.model_dump() for column in self.schema.values],
                list(self.schema.categories),
                self.schema.zone,
                self.lateness_us,
            ],
            separators=(",", ":"),
        )
        return hashlib.sha256(text.encode()).hexdigest()


def layout(features: FeatureSet, schema: LogSchema, *, lateness_us: int) -> Layout:
    """Find the streams of a set.

    Parameters
    ----------
    features : a set that fits the log (see the validation against a schema)
    lateness_us : how old an event may be when it arrives, in microseconds, >= 0
    """
    values: dict[tuple[frozenset[str], tuple[Condition, ...]], set[int]] = {}
    words: dict[tuple[frozenset[str], tuple[Condition, ...]], set[int]] = {}
    value_names = [column.name for column in schema.values]
    events = [one for one in features.features if isinstance(one, EventFeature)]
    for feature in events:
        key = _filter(feature)
        of_values, of_words = values.setdefault(key, set()), words.setdefault(key, set())
        if feature.aggregate == "distinct":
            of_words.add(_word_position(feature.column, schema))
        elif feature.aggregate in ("sum", "mean", "min", "max"):
            of_values.add(value_names.index(feature.column))
    keys = list(values)
    streams = tuple(
        Stream(key[0], key[1], tuple(sorted(values[key])), tuple(sorted(words[key])))
        for key in keys
    )
    return Layout(
        schema=schema,
        features=features,
        streams=streams,
        figures={
            feature.name: _figure(feature, keys.index(_filter(feature)), streams, schema)
            for feature in events
        },
        # At least today is kept apart: more events of it may come.
        keep_days=max((feature.window_days or 1 for feature in events), default=1),
        lateness_us=lateness_us,
    )


def _figure(
    feature: EventFeature, at: int, streams: tuple[Stream, ...], schema: LogSchema
) -> Figure:
    place, unit = 0, 1.0
    if feature.aggregate == "distinct":
        place = streams[at].words.index(_word_position(feature.column, schema))
    elif feature.aggregate in ("sum", "mean", "min", "max"):
        value = [column.name for column in schema.values].index(feature.column)
        place, unit = streams[at].values.index(value), 10.0 ** schema.values[value].decimals
    return Figure(feature.aggregate, at, feature.window_days, place, unit)


def _quotient(feature: Ratio | Trend, features: Mapping[str, Feature]) -> Quotient:
    if isinstance(feature, Ratio):
        return Quotient(feature.name, feature.numerator, 1.0, feature.denominator, 1.0)
    days = []
    for name in (feature.recent, feature.base):
        part = features[name]
        assert isinstance(part, EventFeature)
        assert part.window_days is not None  # a set is validated before it is used
        days.append(float(part.window_days))
    return Quotient(feature.name, feature.recent, days[0], feature.base, days[1])


def _filter(feature: EventFeature) -> tuple[frozenset[str], tuple[Condition, ...]]:
    return frozenset(feature.event_types), feature.where


def _word_position(column: str, schema: LogSchema) -> int:
    return -1 if column == EVENT_TYPE else schema.categories.index(column)


def _test(stream: Stream, schema: LogSchema) -> Callable[[OnlineEvent], bool]:
    types = stream.event_types
    conditions = [_condition(condition, schema) for condition in stream.where]
    if not conditions:
        if not types:
            return lambda event: True
        return lambda event: event.event_type in types
    return lambda event: (
        (not types or event.event_type in types) and all(holds(event) for holds in conditions)
    )


def _condition(condition: Condition, schema: LogSchema) -> Callable[[OnlineEvent], bool]:
    read = _reader(condition.column, schema)
    if condition.op == "missing":
        return lambda event: read(event) is None
    if condition.op == "present":
        return lambda event: read(event) is not None
    compare = _COMPARE[condition.op]
    wanted = condition.value
    # As in SQL, nothing compares with a missing value.
    return lambda event: (found := read(event)) is not None and compare(found, wanted)


def _reader(column: str, schema: LogSchema) -> Callable[[OnlineEvent], float | str | None]:
    if column == EVENT_TYPE:
        return lambda event: event.event_type
    if column in schema.categories:
        at = schema.categories.index(column)
        return lambda event: event.categories[at]
    names = [one.name for one in schema.values]
    at = names.index(column)
    unit = 10.0 ** schema.values[at].decimals
    return lambda event: None if (value := event.values[at]) is None else float(value) / unit


def _among(found: object, wanted: object) -> bool:
    return found in wanted if isinstance(wanted, Iterable) else found == wanted


_COMPARE: Mapping[str, Callable[..., bool]] = {
    "=": lambda found, wanted: found == wanted,
    "!=": lambda found, wanted: found != wanted,
    "<": lambda found, wanted: found < wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    ">=": lambda found, wanted: found >= wanted,
    "in": _among,
    "not in": lambda found, wanted: not _among(found, wanted),
}
