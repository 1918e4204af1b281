"""Whole plans: every guardrail and gate, both streams, several attempts, weights, failures.

Error budget as in ``test_rollout_guarantees.py``: as many wrong rollouts as a true error rate of
alpha explains, but for 1 in 1,000.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from churnkit.data.simulate_pairs import simulate_pairs
from churnkit.rollout.bets import BOLD, PATIENT
from churnkit.rollout.mixture import log_evidence_paths
from churnkit.rollout.plan import Budget, Plan, Policy, budget
from tests.rollout.simulations import METRICS, TERMS, allowed, first_verdicts

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
PLAN = Plan(policy=Policy(terms=TERMS), accept_history=True)
"""The default plan, which has four guardrails, with the second stream."""
FAILS = 0.002
"""The champion's error rate; the challenger's is higher by the tolerance of the guardrail."""


def _failures(shape: tuple[int, int], rng: np.random.Generator, tolerance: float) -> Floats:
    """Gains in error rate of mean ``-tolerance``: -1 where only the challenger failed."""
    champion = rng.random(shape) < FAILS
    challenger = rng.random(shape) < FAILS + tolerance
    return champion.astype(float) - challenger


def _aborted(split: Budget, shape: tuple[int, int], rng: np.random.Generator) -> Flags:
    """Rollouts of equally good models that anything aborts, live or by history."""
    stopped = np.zeros(shape[0], dtype=bool)
    for _ in ("live", "history"):
        made = simulate_pairs(shape, rng)
        capital = np.zeros(shape)
        for rule in METRICS:
            part = split.guardrails[rule.name]  # type: ignore[index]
            paths = log_evidence_paths(-rule.gains(made), 0.0, bets=BOLD, limit=rule.limit)
            capital += part * np.exp(paths)
        stopped |= (capital >= 1).any(axis=1)
    tolerance = next(rule.tolerance for rule in PLAN.guardrails if rule.metric == "error_rate")
    gains = _failures(shape, rng, tolerance)
    paths = log_evidence_paths(-gains, tolerance, bets=BOLD)
    stopped |= (paths >= -np.log(split.guardrails["error_rate"])).any(axis=1)
    return stopped


def _wrong_aborts(n_rollouts: int, n_labels: int, n_attempts: int) -> int:
    wrong = np.zeros(n_rollouts, dtype=bool)
    for attempt in range(1, n_attempts + 1):
        rng = np.random.default_rng([21, n_labels, attempt])
        wrong |= _aborted(budget(PLAN, attempt), (n_rollouts, n_labels), rng)
    return int(wrong.sum())


def test_a_plan_with_both_streams_rarely_aborts_what_is_within_every_tolerance() -> None:
    assert _wrong_aborts(300, 500, 2) <= allowed(300, PLAN.alpha_abort)


@pytest.mark.long
def test_a_plan_with_both_streams_rarely_aborts_in_three_attempts_of_2000_rollouts() -> None:
    assert _wrong_aborts(2_000, 2_000, 3) <= allowed(2_000, PLAN.alpha_abort)


def _promoted(split: Budget, shape: tuple[int, int], rng: np.random.Generator) -> Flags:
    """Rollouts whose gate is proven, though the gain is at the tolerance, by either stream."""
    profit = METRICS[2]
    tolerance = -profit.expected_gain(1.35)
    proven = np.zeros(shape[0], dtype=bool)
    for _ in ("live", "history"):
        gains = profit.gains(simulate_pairs(shape, rng, challenger_noise=1.35))
        paths = log_evidence_paths(gains, -tolerance, bets=PATIENT, limit=profit.limit)
        proven |= (paths >= -np.log(split.gate)).any(axis=1)
    return proven


@pytest.mark.long
def test_a_plan_with_both_streams_rarely_promotes_at_the_gates_boundary() -> None:
    wrong = np.zeros(2_000, dtype=bool)
    for attempt in (1, 2, 3):
        rng = np.random.default_rng([22, attempt])
        wrong |= _promoted(budget(PLAN, attempt), (2_000, 2_000), rng)
    assert wrong.sum() <= allowed(2_000, PLAN.alpha_promote)


@pytest.mark.long
def test_the_error_rate_at_its_guardrail_rarely_decides() -> None:
    """Failures are rare: a sequence of mostly zeros, of mean exactly at the tolerance."""
    rng = np.random.default_rng(23)
    gains = _failures((2_000, 4_000), rng, 0.001)
    below = first_verdicts(-gains, 0.001, bets=BOLD, alpha=0.05)
    above = first_verdicts(gains, -0.001, bets=PATIENT, alpha=0.05)
    for verdicts in (below, above):
        assert np.isfinite(verdicts).sum() <= allowed(2_000, 0.05)


@pytest.mark.long
@pytest.mark.parametrize("rule", METRICS, ids=lambda rule: rule.name)
def test_gains_weighted_by_propensities_keep_the_budget(rule) -> None:  # type: ignore[no-untyped-def]
    """Risky customers are left untreated with a probability of 0.1 only, and weigh 10 then."""
    rng = np.random.default_rng(24)
    made = simulate_pairs((2_000, 2_000), rng)
    untreated = np.where(made.champion > 0.3, 0.1, 0.9)
    weight = (rng.random(untreated.shape) < untreated) / untreated
    gains = rule.gains(made) * weight
    for signed, bets in ((gains, PATIENT), (-gains, BOLD)):
        verdicts = first_verdicts(signed, 0.0, bets=bets, alpha=0.05, limit=rule.limit * 10)
        assert np.isfinite(verdicts).sum() <= allowed(2_000, 0.05)
