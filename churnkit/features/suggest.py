"""Propose a FeatureSet from what the log holds; the same log gives the same proposal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import duckdb

from churnkit.data.event_tables import EVENTS, category_column, value_column
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.errors import DataEmpty
from churnkit.features.checking import TAKEN
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

ABOUT = 40
_WINDOWS = (7, 30, 60, 90, 180, 365)
_EVENTS_IN_SHORTEST = 0.1
"""The shortest window must hold so many events of a mean customer."""
_KEPT_FREE = 10
"""Places that different words, trends and ratios get in any case."""
_MOST_WORDS = 10_000
_RARE = 0.01
"""Types that fewer of the customers have are left out."""


@dataclass(frozen=True)
class LogFacts:
    """What the proposal looks at.

    Attributes
    ----------
    days : length of the log
    types : event type → (events, customers), the most widespread first
    values : value → (type that carries it most, events with it)
    words : text column → about how many different texts
    """

    days: int
    types: dict[str, tuple[int, int]]
    values: dict[str, tuple[str, int]]
    words: dict[str, int]


@dataclass(frozen=True)
class Suggestion:
    """A proposed set, and the grounds for it in a few sentences."""

    features: FeatureSet
    grounds: tuple[str, ...]


def look_at(connection: duckdb.DuckDBPyConnection, schema: LogSchema) -> LogFacts:
    """Count what the log holds, in one scan.

    Raises
    ------
    DataEmpty : there are no events
    """
    if schema.first_us is None or schema.last_us is None or not schema.n_events:
        raise DataEmpty("there are no events.", fix="Import an event log first.")
    listed = [f"count(e.{value_column(column.name)})" for column in schema.values]
    listed += [f"approx_count_distinct(e.{category_column(name)})" for name in schema.categories]
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT CAST(e.event_type AS VARCHAR), count(*), approx_count_distinct(e.customer_no)"
        f"{''.join(', ' + one for one in listed)} FROM {EVENTS} e GROUP BY 1 ORDER BY 3 DESC, 1"
    ).fetchall()
    n_values = len(schema.values)
    values: dict[str, tuple[str, int]] = {}
    for at, column in enumerate(schema.values, 3):
        most = max(rows, key=lambda row: row[at])
        if most[at]:
            values[column.name] = (most[0], most[at])
    return LogFacts(
        days=max(1, (schema.last_us - schema.first_us) // US_PER_DAY + 1),
        types={row[0]: (row[1], row[2]) for row in rows},
        values=values,
        words={
            name: max(row[3 + n_values + at] for row in rows)
            for at, name in enumerate(schema.categories)
        },
    )


def choose_windows(schema: LogSchema, days: int) -> list[int]:
    """At most four windows: shorter than the log, long enough to see something, spread out."""
    rate = schema.n_events / max(1, schema.n_customers) / days
    fit = [w for w in _WINDOWS if w <= days / 2 and w * rate >= _EVENTS_IN_SHORTEST]
    if not fit:
        fit = [w for w in _WINDOWS if w <= days / 2][-2:] or [max(1, days // 2)]
    spread = fit[:1]
    for window in fit[1:]:
        if window >= 2 * spread[-1]:
            spread.append(window)
    last = len(spread) - 1
    return spread if last < 4 else [spread[round(at * last / 3)] for at in range(4)]


def suggest_features(schema: LogSchema, facts: LogFacts, *, at_most: int = ABOUT) -> Suggestion:
    """Propose features: what matters most first, until there are enough."""
    windows = choose_windows(schema, facts.days)
    common = [
        kind
        for kind, (_, customers) in facts.types.items()
        if customers >= _RARE * max(1, schema.n_customers)
    ][:4]
    several = len(facts.types) > 1
    draft = _Draft(at_most - _KEPT_FREE)
    _basic(draft, windows)
    _per_customer(draft, schema)
    _money(draft, facts, windows)
    if several:
        _per_type(draft, common, windows)
    draft.at_most = at_most
    _words(draft, facts, windows, several)
    _changes(draft, facts, common if several else [], windows)
    rate = schema.n_events / max(1, schema.n_customers) / facts.days * 30
    grounds = [
        f"Windows of {', '.join(map(str, windows))} days: the log has {facts.days:,} days, and a "
        f"mean customer {rate:.1f} events in 30 days."
    ]
    rare = [kind for kind in facts.types if kind not in common]
    if several and rare:
        shown = ", ".join(f"'{kind}'" for kind in rare[:5]) + (" …" if len(rare) > 5 else "")
        grounds.append(f"No features of their own for less common event types: {shown}.")
    if draft.left_out:
        grounds.append(f"{draft.left_out} further ones were left out: {at_most} are enough.")
    return Suggestion(FeatureSet(features=tuple(draft.features)), tuple(grounds))


@dataclass
class _Draft:
    at_most: int
    features: list[Feature] = field(default_factory=list)
    left_out: int = 0

    def add(self, feature: Feature) -> None:
        """Take the feature if there is room, its parts are there and its name is free."""
        names = {one.name.casefold() for one in self.features}
        if feature.name.casefold() in names:
            return
        needs = {
            part.casefold()
            for part in (
                getattr(feature, key, "") for key in ("numerator", "denominator", "recent", "base")
            )
            if part
        }
        if len(self.features) >= self.at_most or not needs <= names:
            self.left_out += 1
            return
        self.features.append(feature)


def _basic(draft: _Draft, windows: list[int]) -> None:
    draft.add(EventFeature(name="recency_days", aggregate="recency_days"))
    for window in windows:
        draft.add(EventFeature(name=f"events_{window}d", aggregate="count", window_days=window))
    draft.add(EventFeature(name="events_ever", aggregate="count"))
    for window in windows[1:] or windows:
        draft.add(
            EventFeature(name=f"active_days_{window}d", aggregate="active_days", window_days=window)
        )
    draft.add(EventFeature(name="active_days_ever", aggregate="active_days"))
    draft.add(EventFeature(name="mean_gap_days", aggregate="mean_gap_days"))


def _per_customer(draft: _Draft, schema: LogSchema) -> None:
    if schema.has_subscriptions:
        draft.add(SubscriptionFeature(name="tenure_days", figure="tenure_days"))
        draft.add(SubscriptionFeature(name="days_to_end", figure="days_to_end"))
        draft.add(SubscriptionFeature(name="periods", figure="periods"))
    for column in schema.attributes[:12]:
        name = plain(column.name)
        taken = {*TAKEN, *(one.name.casefold() for one in draft.features)}
        while name in taken:
            name += "_attribute"
        draft.add(AttributeFeature(name=name, column=column.name))


def _money(draft: _Draft, facts: LogFacts, windows: list[int]) -> None:
    for name, _ in sorted(facts.values.items(), key=lambda item: (-item[1][1], item[0]))[:3]:
        short = plain(name)
        for days in windows[-3:]:
            draft.add(
                EventFeature(
                    name=f"{short}_sum_{days}d", aggregate="sum", column=name, window_days=days
                )
            )
        draft.add(EventFeature(name=f"{short}_sum_ever", aggregate="sum", column=name))
        lasting: tuple[tuple[int | None, str], ...] = (
            (windows[-1], f"{windows[-1]}d"),
            (None, "ever"),
        )
        for window, ending in lasting:
            for aggregate in ("mean", "max"):
                draft.add(
                    EventFeature(
                        name=f"{short}_{aggregate}_{ending}",
                        aggregate=aggregate,
                        column=name,
                        window_days=window,
                    )
                )


def _per_type(draft: _Draft, common: list[str], windows: list[int]) -> None:
    for kind in common:
        draft.add(
            EventFeature(
                name=f"{plain(kind)}_recency_days", aggregate="recency_days", event_types=(kind,)
            )
        )
    for window in (windows[-1], *windows[:-1][:2]):
        for kind in common:
            draft.add(
                EventFeature(
                    name=f"{plain(kind)}_count_{window}d",
                    aggregate="count",
                    event_types=(kind,),
                    window_days=window,
                )
            )


def _words(draft: _Draft, facts: LogFacts, windows: list[int], several: bool) -> None:
    columns = [name for name, n in facts.words.items() if 1 < n <= _MOST_WORDS][:2]
    for name in [*([EVENT_TYPE] if several else []), *columns]:
        draft.add(
            EventFeature(
                name=f"{plain(name)}_distinct_{windows[-1]}d",
                aggregate="distinct",
                column=name,
                window_days=windows[-1],
            )
        )


def _changes(draft: _Draft, facts: LogFacts, common: list[str], windows: list[int]) -> None:
    if len(windows) > 1:
        short, long = windows[-2], windows[-1]
        stems = ["events", *(f"{plain(name)}_sum" for name in facts.values)]
        stems += [f"{plain(kind)}_count" for kind in common]
        for stem in stems:
            draft.add(
                Trend(name=f"{stem}_trend", recent=f"{stem}_{short}d", base=f"{stem}_{long}d")
            )
    for kind in common:
        stem = plain(kind)
        draft.add(
            Ratio(
                name=f"{stem}_share",
                numerator=f"{stem}_count_{windows[-1]}d",
                denominator=f"events_{windows[-1]}d",
            )
        )
    for name in facts.values:
        draft.add(
            Ratio(
                name=f"{plain(name)}_per_active_day",
                numerator=f"{plain(name)}_sum_{windows[-1]}d",
                denominator=f"active_days_{windows[-1]}d",
            )
        )


def plain(name: str) -> str:
    """A name of the log as part of a feature's name."""
    short = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()[:40]
    return short if short and not short[0].isdigit() else f"x_{short}".rstrip("_")
