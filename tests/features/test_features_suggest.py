"""What is proposed fits the log: its length at the first date, its rhythm, what churn asks of."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.domain.events import LogSchema, ValueColumn
from churnkit.features.checking import check_features
from churnkit.features.definitions import EventFeature
from churnkit.features.suggest import (
    ABOUT,
    ABOUT_FEW,
    LogFacts,
    Suggestion,
    choose_windows,
    suggest_features,
)

SCHEMA = LogSchema(
    zone="UTC",
    values=(ValueColumn(name="amount", decimals=2), ValueColumn(name="pieces", decimals=0)),
    event_types=("buy", "visit"),
    n_events=100_000,
    n_customers=1_000,
)


def proposed(*, active_days: float = 30.0, **options: Any) -> Suggestion:
    facts = LogFacts(
        days=730,
        active_days=active_days,
        types={"visit": (60_000, 1_000), "buy": (40_000, 900)},
        values={"amount": ("buy", 40_000), "pieces": ("buy", 39_000)},
        words={},
    )
    suggestion = suggest_features(SCHEMA, facts, **options)
    check_features(suggestion.features, SCHEMA)  # each one can be computed
    return suggestion


def windows(suggestion: Suggestion) -> set[int]:
    found = (getattr(one, "window_days", None) for one in suggestion.features.features)
    return {days for days in found if days}


@given(st.integers(1, 4_000), st.integers(1, 4_000), st.integers(1, 10**7))
def test_no_window_is_longer_than_the_log_was(days: int, history: int, events: int) -> None:
    schema = SCHEMA.model_copy(update={"n_events": events})
    chosen = choose_windows(schema, days, history_days=history)
    assert 1 <= len(chosen) <= 4
    assert chosen[-1] <= max(1, min(days // 2, history))
    assert all(2 * short <= long for short, long in pairwise(chosen))


def test_the_first_date_limits_the_windows_and_is_named() -> None:
    assert max(windows(proposed())) == 365
    early = proposed(history_days=100)
    assert max(windows(early)) == 90
    assert any("100 days" in ground for ground in early.grounds)


def test_few_active_days_get_few_figures() -> None:
    few, many = proposed(active_days=2.8), proposed()
    assert len(few.features.features) <= ABOUT_FEW < len(many.features.features) <= ABOUT
    assert windows(few) == {180, 365}  # the short ones would be empty
    assert any("2.8 days" in ground for ground in few.grounds)


@pytest.mark.parametrize("active_days", [2.0, 30.0])
def test_the_rhythm_is_of_what_churn_asks_of(active_days: float) -> None:
    told = proposed(active_days=active_days, activity=("buy",)).features.features
    by_name = {one.name: one for one in told}
    recency = by_name["buy_recency_days"]
    assert isinstance(recency, EventFeature)
    assert recency.event_types == ("buy",)
    assert {"buy_recency_share", "buy_recency_in_gaps", "buy_since_first_days"} <= set(by_name)
    assert "recency_share" not in by_name
    # Where all types are activity, the events need no filter.
    every = proposed(active_days=active_days, activity=("buy", "visit")).features
    assert every == proposed(active_days=active_days).features
    assert "recency_share" in {one.name for one in every.features}
