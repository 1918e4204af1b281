"""Read features from a customer's online state, as of a moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from churnkit.domain.moments import day_number, from_us
from churnkit.errors import MomentTooOld
from churnkit.features.definitions import (
    AttributeFeature,
    EventFeature,
    Ratio,
    SubscriptionFeature,
    Trend,
)
from churnkit.features.online_layout import Figure, Layout
from churnkit.features.online_state import AttributeVersion, OnlineState, Period, Sums

Value = int | float | str | bool | None


@dataclass(slots=True)
class _Window:
    """What counts in one window of one stream."""

    sums: Sums
    days: int = 0
    first: int = 0
    last: int = 0

    def add(self, day: int, sums: Sums) -> None:
        self.sums.add(sums)
        self.first = min(self.first, day) if self.days else day
        self.last = max(self.last, day) if self.days else day
        self.days += 1

    def copy(self) -> _Window:
        return _Window(self.sums.copy(), self.days, self.first, self.last)


def read_features(state: OnlineState | None, layout: Layout, *, as_of_us: int) -> dict[str, Value]:
    """The values of all features of the layout's set, in its order.

    Parameters
    ----------
    state : None: a customer of whom nothing is known
    as_of_us : the moment; facts count that happened and were known up to here

    Raises
    ------
    MomentTooOld : the state has already summed up later events
    """
    today = day_number(as_of_us, layout.schema.zone)
    if state is not None and as_of_us < state.floor_us:
        raise MomentTooOld(
            f"the online state can be read from {from_us(state.floor_us):%Y-%m-%d %H:%M:%S} UTC "
            f"on, not as of {from_us(as_of_us):%Y-%m-%d %H:%M:%S} UTC.",
            fix="Ask for a later moment, or build the features from the log "
            "('churnkit features build --as-of …').",
            as_of=from_us(as_of_us).isoformat(),
        )
    windows = _windows(state, layout, as_of_us, today)
    found: dict[str, Value] = {}
    for feature in layout.features.features:
        match feature:
            case EventFeature():
                figure = layout.figures[feature.name]
                window = windows[figure.stream][figure.window_days or 0]
                found[feature.name] = _figure(figure, window, today)
            case AttributeFeature():
                found[feature.name] = _attribute(state, layout, feature.column, as_of_us)
            case SubscriptionFeature():
                found[feature.name] = _subscription(state, layout, feature.figure, as_of_us, today)
            case Ratio() | Trend():
                found[feature.name] = None  # its place in the order; read below
            case _:
                assert_never(feature)
    _derive(found, layout)
    return found


def _windows(
    state: OnlineState | None, layout: Layout, as_of_us: int, today: int
) -> list[dict[int, _Window]]:
    """For each stream the sums in every window that a feature asks for; 0 means all days."""
    found: list[dict[int, _Window]] = []
    for at, days in enumerate(_by_stream(state, layout, as_of_us)):
        newest_first = sorted(days.items(), reverse=True)
        running = _Window(Sums.empty(layout.streams[at]))
        windows: dict[int, _Window] = {}
        place = 0
        for length in layout.windows[at]:
            since = today - length if length else -math.inf
            while place < len(newest_first) and newest_first[place][0] > since:
                running.add(*newest_first[place])
                place += 1
            windows[length] = running.copy()
        if 0 in windows and state is not None and at in state.older:
            older, whole = state.older[at], windows[0]
            whole.sums.add(older.sums)
            whole.first = older.first
            whole.last = whole.last if whole.days else older.last
            whole.days += older.days
        found.append(windows)
    return found


def _by_stream(state: OnlineState | None, layout: Layout, as_of_us: int) -> list[dict[int, Sums]]:
    """For each stream its days: those summed up, with the events after them that count."""
    found: list[dict[int, Sums]] = [{} for _ in layout.streams]
    if state is None:
        return found
    for (day, at), sums in state.days.items():
        found[at][day] = sums
    counting = [e for e in state.tail.values() if e.t_us <= as_of_us and e.known_us <= as_of_us]
    own: set[tuple[int, int]] = set()
    for event in counting:
        for at, belongs in enumerate(layout.tests):
            if not belongs(event):
                continue
            key = (event.dayno, at)
            if key not in own:  # the state's own sums are not to be changed by reading
                own.add(key)
                fresh = Sums.empty(layout.streams[at])
                if event.dayno in found[at]:
                    fresh.add(found[at][event.dayno])
                found[at][event.dayno] = fresh
            found[at][event.dayno].add_event(event, layout.streams[at])
    return found


def _figure(figure: Figure, window: _Window, today: int) -> Value:
    sums = window.sums
    match figure.aggregate:
        case "count":
            return sums.n
        case "active_days":
            return window.days
        case "recency_days":
            return today - window.last if window.days else None
        case "since_first_days":
            return today - window.first if window.days else None
        case "mean_gap_days":
            return (window.last - window.first) / (window.days - 1) if window.days > 1 else None
        case "distinct":
            return len(sums.words[figure.place])
        case "sum" | "mean" | "min" | "max":
            kept = sums.values[figure.place]
            if not kept:
                return 0.0 if figure.aggregate == "sum" else None
            n, total, low, high = kept
            if figure.aggregate == "sum":
                return float(total) / figure.unit
            if figure.aggregate == "mean":
                return float(total) / figure.unit / n
            return float(low if figure.aggregate == "min" else high) / figure.unit
        case _:
            assert_never(figure.aggregate)


def _attribute(state: OnlineState | None, layout: Layout, column: str, as_of_us: int) -> Value:
    holding = [
        version
        for version in (state.attributes if state else ())
        if version.valid_from_us <= as_of_us and version.known_us <= as_of_us
    ]
    if not holding:
        return None
    at = [one.name for one in layout.schema.attributes].index(column)
    return max(holding, key=AttributeVersion.rank).values[at]


def _subscription(
    state: OnlineState | None, layout: Layout, figure: str, as_of_us: int, today: int
) -> Value:
    started = [
        period
        for period in (state.periods if state else ())
        if period.start_us <= as_of_us and period.known_us <= as_of_us
    ]
    # A period may be told again, with another end: what was known last holds, or ends later.
    latest: dict[int, int | None] = {}
    for period in sorted(started, key=_told):
        latest[period.start_us] = period.end_us
    if figure == "periods":
        return len(latest)
    if not latest:
        return None
    zone = layout.schema.zone
    if figure == "tenure_days":
        return today - day_number(min(latest), zone)
    running = [end for end in latest.values() if end is None or end > as_of_us]
    ends = [end for end in running if end is not None]
    if not running or len(ends) < len(running):
        return None
    return day_number(max(ends), zone) - today


def _told(period: Period) -> tuple[int, float]:
    return period.known_us, math.inf if period.end_us is None else period.end_us


def _derive(found: dict[str, Value], layout: Layout) -> None:
    """Fill in ratios and trends."""
    for one in layout.quotients:
        above, below = _number(found, one.above), _number(found, one.below)
        if above is None or not below:
            found[one.name] = None
        else:
            found[one.name] = (above / one.above_days) / (below / one.below_days)


def _number(found: Mapping[str, Value], name: str) -> float | None:
    value = found[name]
    return None if value is None or isinstance(value, str) else float(value)
