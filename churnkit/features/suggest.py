"""Propose a FeatureSet from what the log holds; the same log gives the same proposal.

A model learns at some dates and is asked at later ones, so the proposal prefers figures that keep
their meaning as the log grows:

- the sufficient statistics of the models for customers without a contract (how often, how
  recently, for how long: Fader, Hardie and Lee 2005), and quotients of them without a unit, such
  as the recency in the customer's own gaps;
- no window longer than the log was at the first date to learn from: there it would hold
  everything, and later it would not;
- few figures where customers have few active days, since most windows would be empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from churnkit.data.event_tables import EVENTS, category_column, value_column
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.errors import DataEmpty
from churnkit.features.checking import TAKEN
from churnkit.features.definitions import (
    EVENT_TYPE,
    Aggregate,
    AttributeFeature,
    EventFeature,
    Feature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
    Trend,
)

ABOUT = 40
ABOUT_FEW = 28
"""So many where customers have few active days."""
_FEW_DAYS = 5.0
"""A mean customer with fewer active days has few."""
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
    active_days : of activity, of a mean customer who has any
    types : event type → (events, customers), the most widespread first
    values : value → (type that carries it most, events with it)
    words : text column → about how many different texts
    """

    days: int
    active_days: float
    types: dict[str, tuple[int, int]]
    values: dict[str, tuple[str, int]]
    words: dict[str, int]


@dataclass(frozen=True)
class Suggestion:
    """A proposed set, and the grounds for it in a few sentences."""

    features: FeatureSet
    grounds: tuple[str, ...]


def look_at(
    connection: duckdb.DuckDBPyConnection, schema: LogSchema, *, activity: Sequence[str] = ()
) -> LogFacts:
    """Count what the log holds, in two scans.

    Parameters
    ----------
    activity : event types that are activity; empty: all

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
    (active,) = connection.execute(
        "SELECT approx_count_distinct(CAST(e.customer_no AS BIGINT) * 1000000 + e.dayno) "
        f"/ greatest(approx_count_distinct(e.customer_no), 1) FROM {EVENTS} e "
        "WHERE len(?) = 0 OR list_contains(?, CAST(e.event_type AS VARCHAR))",
        [list(activity), list(activity)],
    ).fetchall()[0]
    n_values = len(schema.values)
    values: dict[str, tuple[str, int]] = {}
    for at, column in enumerate(schema.values, 3):
        most = max(rows, key=lambda row: row[at])
        if most[at]:
            values[column.name] = (most[0], most[at])
    return LogFacts(
        days=max(1, (schema.last_us - schema.first_us) // US_PER_DAY + 1),
        active_days=float(active or 0.0),
        types={row[0]: (row[1], row[2]) for row in rows},
        values=values,
        words={
            name: max(row[3 + n_values + at] for row in rows)
            for at, name in enumerate(schema.categories)
        },
    )


def choose_windows(schema: LogSchema, days: int, *, history_days: int | None = None) -> list[int]:
    """At most four windows, the shortest first: long enough to see something, spread out.

    Parameters
    ----------
    days : length of the log; no window is longer than half of it
    history_days : how long the log was at the first date to learn from; no window is longer
    """
    longest = days / 2 if history_days is None else min(days / 2, history_days)
    rate = schema.n_events / max(1, schema.n_customers) / days
    fit = [w for w in _WINDOWS if w <= longest and w * rate >= _EVENTS_IN_SHORTEST]
    if not fit:
        fit = [w for w in _WINDOWS if w <= longest][-2:] or [max(1, int(longest))]
    spread = fit[-1:]
    for window in reversed(fit):
        if 2 * window <= spread[0]:
            spread.insert(0, window)
    last = len(spread) - 1
    return spread if last < 4 else [spread[round(at * last / 3)] for at in range(4)]


def suggest_features(
    schema: LogSchema,
    facts: LogFacts,
    *,
    at_most: int = ABOUT,
    activity: Sequence[str] = (),
    history_days: int | None = None,
) -> Suggestion:
    """Propose features: what matters most first, until there are enough.

    Parameters
    ----------
    activity : event types whose absence is churn; empty: all
    history_days : how long the log was at the first date to learn from, if that is known
    """
    few = facts.active_days < _FEW_DAYS
    at_most = min(at_most, ABOUT_FEW) if few else at_most
    windows = choose_windows(schema, facts.days, history_days=history_days)[-2 if few else 0 :]
    asked = tuple(kind for kind in activity if kind in facts.types)
    asked = () if len(asked) == len(facts.types) else asked
    common = [
        kind
        for kind, (_, customers) in facts.types.items()
        if customers >= _RARE * max(1, schema.n_customers)
    ][:4]
    several = len(facts.types) > 1
    draft = _Draft(at_most - (_KEPT_FREE // 2 if few else _KEPT_FREE))
    # Where there are few days, the events in a window say little beside the days in it.
    counted = windows if not few else windows[-1:] if several else []
    _rhythm(draft, windows, asked, counted)
    _per_customer(draft, schema)
    _money(draft, facts, windows, asked, few=few)
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
    if few:
        grounds.append(
            f"A mean customer is active on {facts.active_days:.1f} days: few figures, and none "
            "of short windows, which would be empty."
        )
    if history_days is not None and windows[-1] <= history_days < facts.days / 2:
        grounds.append(
            f"No window is longer than {history_days:,} days: so long is the log at the first "
            "date to learn from."
        )
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
        if not needs <= names:
            return
        if len(self.features) >= self.at_most:
            self.left_out += 1
            return
        self.features.append(feature)


def _rhythm(draft: _Draft, windows: list[int], asked: tuple[str, ...], counted: list[int]) -> None:
    """How often, how recently and for how long: of activity, and of all events."""
    draft.add(EventFeature(name="recency_days", aggregate="recency_days"))
    draft.add(EventFeature(name="events_ever", aggregate="count"))
    stem = _stem(asked)

    def add(name: str, aggregate: Aggregate, window: int | None = None) -> str:
        one = EventFeature(
            name=stem + name, aggregate=aggregate, event_types=asked, window_days=window
        )
        draft.add(one)
        return one.name

    recency = add("recency_days", "recency_days")
    since = add("since_first_days", "since_first_days")
    active = add("active_days_ever", "active_days")
    gap = add("mean_gap_days", "mean_gap_days")
    pace = f"{stem}pace_days"
    draft.add(Ratio(name=f"{stem}recency_share", numerator=recency, denominator=since))
    draft.add(Ratio(name=pace, numerator=since, denominator=active))
    draft.add(Ratio(name=f"{stem}recency_in_paces", numerator=recency, denominator=pace))
    draft.add(Ratio(name=f"{stem}recency_in_gaps", numerator=recency, denominator=gap))
    events = add("events_ever", "count")
    draft.add(Ratio(name=f"{stem}events_per_active_day", numerator=events, denominator=active))
    for window in windows:
        add(f"active_days_{window}d", "active_days", window)
    if len(windows) > 1:
        short, long = (f"{stem}active_days_{window}d" for window in windows[-2:])
        draft.add(Ratio(name=f"{stem}active_days_lately", numerator=short, denominator=long))
    for window in counted:
        draft.add(EventFeature(name=f"events_{window}d", aggregate="count", window_days=window))


def _stem(asked: tuple[str, ...]) -> str:
    return f"{plain(asked[0])}_" if len(asked) == 1 else "activity_" if asked else ""


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


def _money(
    draft: _Draft, facts: LogFacts, windows: list[int], asked: tuple[str, ...], *, few: bool
) -> None:
    values = sorted(facts.values.items(), key=lambda item: (-item[1][1], item[0]))[:3]
    for place, (name, _) in enumerate(values):
        figures: list[tuple[Aggregate, int | None]] = [("sum", None), ("max", None)]
        if not (few and place):  # of few days one value shows what changed lately
            figures += [("sum", window) for window in windows[-3:]]
        if not few:
            figures += [("mean", None), ("mean", windows[-1]), ("max", windows[-1])]
        short = plain(name)
        for aggregate, window in figures:
            ending = f"{window}d" if window else "ever"
            draft.add(
                EventFeature(
                    name=f"{short}_{aggregate}_{ending}",
                    aggregate=aggregate,
                    column=name,
                    window_days=window,
                )
            )
            if (aggregate, window) == ("sum", None):
                draft.add(
                    Ratio(
                        name=f"{short}_per_active_day",
                        numerator=f"{short}_sum_ever",
                        denominator=f"{_stem(asked)}active_days_ever",
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


def plain(name: str) -> str:
    """A name of the log as part of a feature's name."""
    short = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()[:40]
    return short if short and not short[0].isdigit() else f"x_{short}".rstrip("_")
