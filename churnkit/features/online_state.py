"""One customer's state: updated by events in any order, readable at any moment it still knows.

The newest events are kept one by one, so that a duplicate is recognised, a late one finds its
place, and a moment between them can be read. What is older than the stated lateness is summed up
per day and stream, and what is older than the longest window in one sum. An event older than
the lateness is refused, never taken in halfway.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from churnkit.domain.events import US_PER_DAY
from churnkit.domain.moments import day_number
from churnkit.features.online_layout import Layout, OnlineEvent, Stream

Attribute = str | float | bool | None


@dataclass(slots=True)
class Sums:
    """What is kept of the events of one stream on one day.

    Attributes
    ----------
    n : events
    values : for each value column of the stream ``[n, sum, min, max]`` of what is not missing
    words : for each category of the stream the different values
    """

    n: int
    values: list[list[int]]
    words: list[set[str]]

    @classmethod
    def empty(cls, stream: Stream) -> Sums:
        """No event yet."""
        return cls(0, [[] for _ in stream.values], [set() for _ in stream.words])

    def copy(self) -> Sums:
        """The same sums, apart from these."""
        return Sums(self.n, [list(kept) for kept in self.values], [set(w) for w in self.words])

    def add_event(self, event: OnlineEvent, stream: Stream) -> None:
        """Take in one event."""
        self.n += 1
        for kept, at in zip(self.values, stream.values, strict=True):
            value = event.values[at]
            if value is not None:
                _merge(kept, 1, value, value, value)
        for seen, at in zip(self.words, stream.words, strict=True):
            word = event.event_type if at < 0 else event.categories[at]
            if word is not None:
                seen.add(word)

    def add(self, other: Sums) -> None:
        """Take in the sums of other events."""
        self.n += other.n
        for i, more in enumerate(other.values):
            if more:
                _merge(self.values[i], *more)
        for i, words in enumerate(other.words):
            self.words[i] |= words


def _merge(kept: list[int], n: int, total: int, low: int, high: int) -> None:
    if kept:
        kept[0] += n
        kept[1] += total
        kept[2] = min(kept[2], low)
        kept[3] = max(kept[3], high)
    else:
        kept[:] = [n, total, low, high]


@dataclass(slots=True)
class Older:
    """All days before the longest window, of one stream."""

    sums: Sums
    days: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class AttributeVersion:
    """Attributes as they hold from a moment on, in the order of the log's schema."""

    valid_from_us: int
    known_us: int
    values: tuple[Attribute, ...]

    def rank(self) -> tuple[object, ...]:
        """The version of the highest rank holds; values only decide between equal moments."""
        given = ((False, 0) if value is None else (True, value) for value in self.values)
        return (self.valid_from_us, self.known_us, *given)


@dataclass(frozen=True, slots=True)
class Period:
    """A subscription period; ``end_us`` None: open."""

    start_us: int
    end_us: int | None
    known_us: int


@dataclass(slots=True)
class OnlineState:
    """One customer.

    Attributes
    ----------
    floor_us : everything up to here is summed up; earlier moments cannot be read
    days : (day, position of the stream) → sums
    older : position of the stream → sums of the days before
    tail : key → event, for what is not summed up yet
    """

    floor_us: int
    days: dict[tuple[int, int], Sums] = field(default_factory=dict)
    older: dict[int, Older] = field(default_factory=dict)
    tail: dict[str, OnlineEvent] = field(default_factory=dict)
    attributes: list[AttributeVersion] = field(default_factory=list)
    periods: list[Period] = field(default_factory=list)


@dataclass(slots=True)
class Taken:
    """What became of delivered events."""

    new: int = 0
    duplicate: int = 0
    too_late: list[OnlineEvent] = field(default_factory=list)

    def add(self, other: Taken) -> None:
        """Count another delivery too."""
        self.new += other.new
        self.duplicate += other.duplicate
        self.too_late += other.too_late


def take_events(
    state: OnlineState, events: Iterable[OnlineEvent], layout: Layout, *, now_us: int
) -> Taken:
    """Take in events, then sum up what is older than the lateness.

    Parameters
    ----------
    events : in any order; a second delivery of a key changes nothing
    now_us : the present moment; an event may be at most the layout's lateness older

    Returns
    -------
    taken : how many were new or there already, and those that came too late
    """
    taken = Taken()
    for event in events:
        if event.key in state.tail:
            taken.duplicate += 1
        elif event.t_us <= state.floor_us:
            taken.too_late.append(event)
        else:
            state.tail[event.key] = event
            taken.new += 1
    settle(state, layout, now_us - layout.lateness_us)
    return taken


def settle(state: OnlineState, layout: Layout, floor_us: int) -> None:
    """Sum up what happened and was known up to ``floor_us``; it may not be read any more."""
    if floor_us <= state.floor_us:
        return
    state.floor_us = floor_us
    old = [one for one in state.tail.values() if max(one.t_us, one.known_us) <= floor_us]
    for event in old:
        del state.tail[event.key]
        _sum_up(state, event, layout)
    state.attributes = _still_needed(state.attributes, floor_us)
    # No zone is more than a day ahead of UTC: mostly nothing is old enough, in any zone.
    if state.days and min(state.days)[0] <= floor_us // US_PER_DAY + 1 - layout.keep_days:
        _fold(state, layout, day_number(floor_us, layout.schema.zone))


def _fold(state: OnlineState, layout: Layout, floor_day: int) -> None:
    """Put days before the longest window that can still be asked for into one sum."""
    # A day that will grow (an event of it is not known yet) stays, or it would count twice.
    waiting = min((event.dayno for event in state.tail.values()), default=floor_day)
    last_day = min(floor_day - layout.keep_days, waiting - 1)
    for day, at in [key for key in state.days if key[0] <= last_day]:
        sums = state.days.pop((day, at))
        older = state.older.get(at)
        if older is None:
            state.older[at] = Older(sums, 1, day, day)
            continue
        older.sums.add(sums)
        older.days += 1
        older.first = min(older.first, day)
        older.last = max(older.last, day)


def _sum_up(state: OnlineState, event: OnlineEvent, layout: Layout) -> None:
    for at, belongs in enumerate(layout.tests):
        if belongs(event):
            stream = layout.streams[at]
            sums = state.days.get((event.dayno, at))
            if sums is None:
                sums = state.days[event.dayno, at] = Sums.empty(stream)
            sums.add_event(event, stream)


def _still_needed(versions: list[AttributeVersion], floor_us: int) -> list[AttributeVersion]:
    settled = [v for v in versions if max(v.valid_from_us, v.known_us) <= floor_us]
    if len(settled) < 2:
        return versions
    best = max(settled, key=AttributeVersion.rank)
    return [v for v in versions if v is best or max(v.valid_from_us, v.known_us) > floor_us]


# --- as text ------------------------------------------------------------------------------


def dump_state(state: OnlineState) -> str:
    """The state as compact JSON."""
    return json.dumps(
        {
            "f": state.floor_us,
            "d": [[day, at, *_dump_sums(sums)] for (day, at), sums in state.days.items()],
            "o": [
                [at, one.days, one.first, one.last, *_dump_sums(one.sums)]
                for at, one in state.older.items()
            ],
            "t": [
                [e.t_us, e.known_us, e.dayno, e.event_type, e.values, e.categories, e.key]
                for e in state.tail.values()
            ],
            "a": [[v.valid_from_us, v.known_us, v.values] for v in state.attributes],
            "p": [[p.start_us, p.end_us, p.known_us] for p in state.periods],
        },
        separators=(",", ":"),
        ensure_ascii=False,
    )


def load_state(text: str) -> OnlineState:
    """The state from its JSON."""
    raw = json.loads(text)
    return OnlineState(
        floor_us=raw["f"],
        days={(day, at): _load_sums(*sums) for day, at, *sums in raw["d"]},
        older={
            at: Older(_load_sums(*sums), days, first, last)
            for at, days, first, last, *sums in raw["o"]
        },
        tail={
            key: OnlineEvent(t, known, day, kind, tuple(values), tuple(words), key)
            for t, known, day, kind, values, words, key in raw["t"]
        },
        attributes=[AttributeVersion(start, known, tuple(v)) for start, known, v in raw["a"]],
        periods=[Period(*one) for one in raw["p"]],
    )


def _dump_sums(sums: Sums) -> tuple[int, list[list[int]], list[list[str]]]:
    return sums.n, sums.values, [sorted(words) for words in sums.words]


def _load_sums(n: int, values: list[list[int]], words: list[list[str]]) -> Sums:
    return Sums(n, values, [set(seen) for seen in words])
