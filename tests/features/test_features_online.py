"""The online state, fed in any order within the lateness, equals what DuckDB computes later."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from churnkit.domain.events import US_PER_DAY
from churnkit.domain.moments import day_number
from churnkit.errors import MomentTooOld
from churnkit.features.definitions import EventFeature, FeatureSet
from churnkit.features.online_layout import Layout, OnlineEvent, layout
from churnkit.features.online_read import Value, read_features
from churnkit.features.online_state import (
    AttributeVersion,
    OnlineState,
    Period,
    Taken,
    dump_state,
    load_state,
    take_events,
)
from tests.features.event_logs import Event, Log, us
from tests.features.random_logs import Case, cases
from tests.features.sets import EVERYTHING
from tests.features.test_features_offline import assert_same, built

LATENESS = 8 * US_PER_DAY
"""The random logs have facts that become known up to 7 days late."""
LONG_AGO = -(2**60)


def online(event: Event, number: int, zone: str) -> OnlineEvent:
    return OnlineEvent(
        t_us=event.t_us,
        known_us=event.known,
        dayno=day_number(event.t_us, zone),
        event_type=event.kind,
        values=(event.amount,),
        categories=(event.channel,),
        key=str(number),
    )


@dataclass
class Feed:
    """A log that is delivered bit by bit, with its states kept as text between deliveries."""

    log: Log
    plan: Layout
    rng: random.Random
    states: dict[str, str] = field(default_factory=dict)
    taken: Taken = field(default_factory=Taken)
    until: int = LONG_AGO

    def deliver(self, as_of_us: int) -> None:
        """All that became known since the last time: each within the lateness, some twice."""
        due: list[tuple[int, str, OnlineEvent]] = []
        for number, event in enumerate(self.log.events):
            if self.until < event.known <= as_of_us:
                for _ in range(self.rng.choice((1, 1, 2))):
                    patience = event.t_us + LATENESS - 1 - event.known
                    comes = event.known + self.rng.randint(-US_PER_DAY, patience)
                    due.append(
                        (min(comes, as_of_us), event.customer, online(event, number, self.log.zone))
                    )
        self.rng.shuffle(due)
        for name in self.log.numbers():
            state = self.state(name) or OnlineState(LONG_AGO)
            for now, customer, event in sorted(due, key=lambda one: one[0]):
                if customer == name:
                    self.taken.add(take_events(state, [event], self.plan, now_us=now))
            take_events(state, [], self.plan, now_us=as_of_us)
            state.attributes += [
                AttributeVersion(v.valid_from_us, v.known_us, (v.plan, v.age, v.vip))
                for v in self.log.versions
                if v.customer == name and self.until < v.known_us <= as_of_us
            ]
            state.periods += [
                Period(p.start_us, p.end_us, p.known_us)
                for p in self.log.periods
                if p.customer == name and self.until < p.known_us <= as_of_us
            ]
            self.states[name] = dump_state(state)
        self.until = as_of_us

    def state(self, name: str) -> OnlineState | None:
        return load_state(self.states[name]) if name in self.states else None


@settings(max_examples=6, phases=[Phase.generate])
@given(cases(4), st.integers(0, 2**32))
def test_online_equals_duckdb(case: Case, seed: int) -> None:
    plan = layout(EVERYTHING, case.log.schema(), lateness_us=LATENESS)
    feed = Feed(case.log, plan, random.Random(seed))
    offline = built(case.log, EVERYTHING, case.pairs, plan="statement")
    for customer, as_of_us in sorted(case.pairs, key=lambda pair: pair[1]):
        feed.deliver(as_of_us)
        found = read_features(feed.state(customer), plan, as_of_us=as_of_us)
        assert_same(found, offline[customer, as_of_us])
    # A second delivery may come after its event was summed up; nothing else was refused.
    assert feed.taken.new == sum(event.known <= feed.until for event in case.log.events)


@settings(max_examples=6, phases=[Phase.generate])
@given(cases(4), st.integers(0, 2**32))
def test_a_moment_within_the_lateness_is_read_after_later_events_came(
    case: Case, seed: int
) -> None:
    plan = layout(EVERYTHING, case.log.schema(), lateness_us=LATENESS)
    offline = built(case.log, EVERYTHING, case.pairs, plan="statement")
    for customer, as_of_us in case.pairs:
        feed = Feed(case.log, plan, random.Random(seed))
        feed.deliver(as_of_us)
        feed.deliver(as_of_us + LATENESS)  # the state now knows a week more
        found = read_features(feed.state(customer), plan, as_of_us=as_of_us)
        assert_same(found, offline[customer, as_of_us])


def _visits(*days: int, log: Log | None = None) -> list[OnlineEvent]:
    zone = (log or Log()).zone
    return [online(Event("ann", us(2024, 1, 1, 12) + day * US_PER_DAY), day, zone) for day in days]


WEEK = FeatureSet(
    features=(
        EventFeature(name="week", aggregate="count", window_days=7),
        EventFeature(name="ever", aggregate="count"),
        EventFeature(name="days", aggregate="active_days"),
        EventFeature(name="since_first", aggregate="since_first_days"),
        EventFeature(name="gap", aggregate="mean_gap_days"),
        EventFeature(name="spent", aggregate="sum", column="amount"),
    )
)


def _read(state: OnlineState, plan: Layout, day: int) -> dict[str, Value]:
    return read_features(state, plan, as_of_us=us(2024, 1, 1, 13) + day * US_PER_DAY)


def test_an_event_older_than_the_lateness_is_refused_and_changes_nothing() -> None:
    plan = layout(WEEK, Log().schema(), lateness_us=2 * US_PER_DAY)
    state = OnlineState(LONG_AGO)
    now = us(2024, 1, 1, 13)
    take_events(state, _visits(0, 10), plan, now_us=now + 10 * US_PER_DAY)
    before = dump_state(state)
    taken = take_events(state, _visits(7), plan, now_us=now + 10 * US_PER_DAY)
    assert (taken.new, len(taken.too_late)) == (0, 1)
    assert dump_state(state) == before
    assert take_events(state, _visits(9), plan, now_us=now + 10 * US_PER_DAY).new == 1
    assert _read(state, plan, 10) == {
        "week": 2, "ever": 3, "days": 3, "since_first": 10, "gap": 5.0, "spent": 3.0,
    }  # fmt: skip


def test_a_duplicate_that_comes_after_its_event_was_summed_up_changes_nothing() -> None:
    plan = layout(WEEK, Log().schema(), lateness_us=2 * US_PER_DAY)
    state = OnlineState(LONG_AGO)
    now = us(2024, 1, 1, 13)
    for day in range(40):
        again = _visits(*range(day + 1))
        taken = take_events(state, again, plan, now_us=now + day * US_PER_DAY)
        assert taken.new == 1
        assert taken.duplicate + len(taken.too_late) == day
        assert _read(state, plan, day)["week"] == min(day + 1, 7)
        assert _read(state, plan, day)["ever"] == day + 1


def test_the_state_does_not_grow_with_time() -> None:
    """Days before the longest window become one sum; counts since ever stay exact."""
    plan = layout(WEEK, Log().schema(), lateness_us=2 * US_PER_DAY)
    state = OnlineState(LONG_AGO)
    now = us(2024, 1, 1, 13)
    sizes = []
    for day in range(400):
        take_events(state, _visits(day), plan, now_us=now + day * US_PER_DAY)
        sizes.append(len(dump_state(state)))
    assert max(sizes[300:]) <= max(sizes[20:40]) + 20  # the numbers have more digits
    assert _read(state, plan, 399) == {
        "week": 7, "ever": 400, "days": 400, "since_first": 399, "gap": 1.0, "spent": 400.0,
    }  # fmt: skip


def test_a_day_that_was_folded_is_not_counted_twice() -> None:
    """An event known much later than its day joins that day's sum, not another day."""
    plan = layout(WEEK, Log().schema(), lateness_us=2 * US_PER_DAY)
    state = OnlineState(LONG_AGO)
    start = us(2024, 1, 1, 12)
    early = online(Event("ann", start), 0, "UTC")
    late = online(Event("ann", start + 1, known_us=start + 30 * US_PER_DAY), 1, "UTC")
    take_events(state, [early, late], plan, now_us=start)
    for day in range(60):
        take_events(state, [], plan, now_us=start + day * US_PER_DAY)
        found = read_features(state, plan, as_of_us=start + day * US_PER_DAY)
        assert (found["days"], found["ever"]) == (1, 2 if day >= 30 else 1)


def test_a_moment_that_was_summed_up_cannot_be_read() -> None:
    plan = layout(WEEK, Log().schema(), lateness_us=2 * US_PER_DAY)
    state = OnlineState(LONG_AGO)
    take_events(state, _visits(0, 10), plan, now_us=us(2024, 1, 11, 13))
    with pytest.raises(MomentTooOld, match="2024-01-09 13:00:00 UTC on"):
        read_features(state, plan, as_of_us=us(2024, 1, 9, 12))


def test_an_unknown_customer_has_no_events() -> None:
    plan = layout(WEEK, Log().schema(), lateness_us=0)
    assert read_features(None, plan, as_of_us=us(2024, 1, 1)) == {
        "week": 0, "ever": 0, "days": 0, "since_first": None, "gap": None, "spent": 0.0,
    }  # fmt: skip
