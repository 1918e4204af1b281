"""Replay: a good challenger is promoted, a bad one stopped, and nothing is seen too early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from churnkit.data.simulate_pairs import simulate_pairs
from churnkit.errors import EvidenceInvalid
from churnkit.rollout.bets import BOLD
from churnkit.rollout.gains import brier_gain
from churnkit.rollout.mixture import log_evidence_paths
from churnkit.rollout.pairs import Pairs, make_pairs
from churnkit.rollout.plan import Gate, Guardrail, Plan, Policy, budget
from churnkit.rollout.replay import looks_every, replay
from tests.rollout.simulations import METRICS, TERMS, first_true, first_verdicts

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(policy=Policy(terms=TERMS), gates=(Gate(metric="profit", tolerance=0.5),))
DAYS = 60


def _log(n: int, seed: int, *, noise: float, per_day: int = 100) -> Pairs:
    made = simulate_pairs(n, np.random.default_rng(seed), challenger_noise=noise)
    at = np.datetime64("2026-01-01", "us") + (np.arange(n) * (86_400e6 / per_day)).astype("m8[us]")
    return make_pairs(
        customer_id=[f"C{number}" for number in range(n)],
        predicted_at=at,
        champion=made.champion,
        challenger=made.challenger,
        left=made.left,
    )


def test_a_good_challenger_is_promoted_and_a_bad_one_stopped() -> None:
    looks = looks_every(START, 2, until=START + timedelta(days=300))
    for noise, ends in ((0.4, "promoted"), (3.5, "aborted")):
        run = replay(
            PLAN, _log(24_000, 1, noise=noise), salt="r1", days_to_mature=DAYS, looks=looks
        )
        assert run.position.condition == ends
        verdicts = [decision.verdict for decision, _ in run.turns]
        assert verdicts[-1] == {"promoted": "promote", "aborted": "abort"}[ends]
        assert verdicts[:-1] == ["advance"] * (len(verdicts) - 1)
        shares = [decision.next_share for decision, _ in run.turns]
        assert shares[:-1] == [0.01, 0.05, 0.25][: len(shares) - 1]


def test_outcomes_are_seen_when_they_have_matured_and_not_before() -> None:
    looks = looks_every(START, 1, until=START + timedelta(days=90))
    run = replay(PLAN, _log(9_000, 2, noise=1.2), salt="r1", days_to_mature=DAYS, looks=looks)
    for now, n in zip(looks, run.pairs, strict=False):
        days = (now - START).days - DAYS
        assert n == (0 if days < 0 else days * 100 + 1)


def test_a_look_after_every_label_stops_where_the_simulation_says() -> None:
    """The controller and the vectorised simulations of the guarantees are the same rule."""
    plan = Plan(policy=Policy(terms=TERMS), guardrails=(Guardrail(metric="brier"),))
    pairs = _log(700, 3, noise=4.0, per_day=24)
    looks = looks_every(START, 1 / 24, until=START + timedelta(days=30))
    run = replay(plan, pairs, salt="s", days_to_mature=0, looks=looks)
    gains = brier_gain(pairs.champion, pairs.challenger, pairs.left)[None]
    alpha = budget(plan, 1).guardrails["brier"]
    expected = first_verdicts(-gains, 0.0, bets=BOLD, alpha=alpha)[0]
    assert run.position.condition == "aborted"
    assert run.pairs[-1] == expected


def test_several_guardrails_stop_where_the_simulation_of_their_average_says() -> None:
    """Their capitals are averaged with the parts of the budget as weights, and not added up."""
    rules = tuple(Guardrail(metric=rule.name) for rule in METRICS)  # type: ignore[arg-type]  # text
    plan = Plan(policy=Policy(terms=TERMS), guardrails=rules)
    pairs = _log(700, 3, noise=4.0, per_day=24)
    looks = looks_every(START, 1 / 24, until=START + timedelta(days=30))
    run = replay(plan, pairs, salt="s", days_to_mature=0, looks=looks)
    parts = budget(plan, 1).guardrails
    capital = np.zeros((1, len(pairs)))
    for rule in METRICS:
        paths = log_evidence_paths(
            -rule.gains(pairs)[None],  # type: ignore[arg-type]  # has the same columns
            bets=plan.guardrail_bets,
            limit=rule.limit,
        )
        capital += parts[rule.name] * np.exp(paths)  # type: ignore[index]  # text
    assert run.position.condition == "aborted"
    assert run.pairs[-1] == first_true(capital >= 1)[0]


def test_another_plan_decides_otherwise_on_the_same_log() -> None:
    """An equal challenger is good enough where losing 3 per customer is, and not proven better."""
    pairs = _log(24_000, 1, noise=1.2)
    looks = looks_every(START, 5, until=START + timedelta(days=250))
    lenient = PLAN.model_copy(update={"gates": (Gate(metric="profit", tolerance=3.0),)})
    strict = PLAN.model_copy(update={"gates": (Gate(metric="profit", tolerance=0.0),)})
    ends = [
        replay(plan, pairs, salt="r1", days_to_mature=DAYS, looks=looks)
        for plan in (lenient, strict)
    ]
    assert [run.position.condition for run in ends] == ["promoted", "running"]
    assert ends[0] == replay(lenient, pairs, salt="r1", days_to_mature=DAYS, looks=looks)


def test_exposure_counts_customers_whom_the_share_reaches() -> None:
    """At 1 % of 100 customers a day the stage's 50 customers take about fifty days."""
    looks = looks_every(START, 1, until=START + timedelta(days=120))
    run = replay(PLAN, _log(12_000, 5, noise=1.2), salt="r2", days_to_mature=DAYS, looks=looks)
    (first, _), (second, _) = run.turns[:2]
    assert first.stage == "shadow" and second.stage == "1 %"
    assert 30 <= (second.at - first.at).days <= 75


def test_looks_must_rise() -> None:
    for looks in ((), (START, START)):
        with pytest.raises(EvidenceInvalid, match="later than the one before"):
            replay(PLAN, _log(3, 4, noise=1.2), salt="s", days_to_mature=1, looks=looks)
