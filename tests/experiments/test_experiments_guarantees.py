"""How often the readings of experiments are wrong, looked at after every customer or every day.

Error budget: a guarantee at level alpha may fail in as many of the simulated experiments as a true
error rate of alpha explains but for 1 in 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from churnkit.domain.experiments import ExperimentPlan
from churnkit.rollout.difference import (
    difference_bets,
    difference_limit,
    differences,
    offsets,
    variance_saved,
)
from churnkit.rollout.mixture import log_evidence_paths
from churnkit.rollout.ratio import RatioEvidence
from churnkit.rollout.sample_size import Scenario, fixed_size, sequential_size
from tests.rollout.simulations import allowed, first_true

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ALPHA = 0.05
BETTER = 0.5
"""On the log odds of staying."""


@dataclass(frozen=True)
class Tried:
    """Experiments side by side; shape (n_experiments, n_customers)."""

    outcome: Floats
    in_arm: Bools
    score: Floats
    effect: Floats
    """What the arm changes in each customer's outcome, on average, given his score and the time."""


def simulate(
    shape: tuple[int, int],
    *,
    seed: int,
    share: float = 0.5,
    effect: float = 0.0,
    kind: str = "retention",
) -> Tried:
    """Customers whose propensity to stay is known in part by a score; the effect drifts."""
    rng = np.random.default_rng([seed, *shape])
    logit = rng.normal(1.3, 1.4, shape)
    score = 1 / (1 + np.exp(logit + rng.normal(0, 0.8, shape)))
    # A tenth has no score; the effect changes its size, and is larger for who is likely to leave.
    score = np.where(rng.random(shape) < 0.1, np.nan, score)
    at = np.arange(shape[1])
    moved = effect * (1 + 0.8 * np.sin(at / 150)) * (logit < 1.3)
    in_arm = rng.random(shape) < share
    alone, treated = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-(logit + moved)))
    stays = rng.random(shape) < np.where(in_arm, treated, alone)
    worth = np.ones(shape)
    if kind == "revenue":  # most customers are worth little, a few reach the cap
        worth = np.minimum(rng.lognormal(-2.5, 1.2, shape), 1.0)
    return Tried(stays * worth, in_arm, score, (treated - alone) * worth)


def _ever_refuted(made: Tried, truth: Floats | float, *, share: float, cuped: bool) -> int:
    """Experiments whose two-sided interval misses what is true at some time."""
    score = made.score if cuped else None
    taken = offsets(made.outcome, made.in_arm, share=share, score=score).offset
    x = differences(made.outcome, made.in_arm, taken, share=share)
    limit, bets = difference_limit(share), difference_bets(0.02, share)
    need = -np.log(ALPHA / 2)
    above = log_evidence_paths(x, truth, bets=bets, limit=limit) >= need
    below = log_evidence_paths(-x, -np.asarray(truth), bets=bets, limit=limit) >= need
    return int((above | below).any(axis=1).sum())


CASES = [
    (0.5, "retention", True), (0.5, "retention", False), (0.2, "retention", True),
    (0.5, "revenue", True), (0.1, "revenue", True),
]  # fmt: skip


@pytest.mark.parametrize(("share", "kind", "cuped"), CASES)
def test_arms_without_a_difference_are_rarely_told_apart(
    share: float, kind: str, cuped: bool
) -> None:
    made = simulate((300, 800), seed=1, share=share, kind=kind)
    assert _ever_refuted(made, 0.0, share=share, cuped=cuped) <= allowed(300, ALPHA)


@pytest.mark.parametrize("cuped", [True, False])
def test_a_drifting_effect_is_covered_at_all_times(cuped: bool) -> None:
    made = simulate((300, 800), seed=2, effect=1.0)
    running = np.cumsum(made.effect, axis=1) / np.arange(1, 801)
    assert _ever_refuted(made, running, share=0.5, cuped=cuped) <= allowed(300, ALPHA)


def test_several_arms_and_outcomes_share_one_budget() -> None:
    """Two offers against a control, in retention and revenue: any wrong reading counts."""
    plan = ExperimentPlan.model_validate(
        {
            "arms": [
                {"name": "control", "weight": 0.4},
                {"name": "a", "weight": 0.4, "offer": "a"},
                {"name": "b", "weight": 0.2, "offer": "b"},
            ],
            "outcomes": ["retention", "revenue"],
            "revenue_cap": 1.0,
        }
    )
    assert plan.alpha_each == pytest.approx(0.05 / 4)
    wrong = 0
    rng = np.random.default_rng(11)
    for seed in range(200):
        made = simulate((1, 700), seed=100 + seed)
        worth = np.minimum(rng.lognormal(-2.5, 1.2, 700), 1.0)
        arm = rng.choice(3, size=700, p=[0.4, 0.4, 0.2])
        refuted = False
        for other, weight in ((1, 0.4), (2, 0.2)):
            rows, share = (arm == 0) | (arm == other), weight / (weight + 0.4)
            z, x = arm[rows] == other, made.score[0][rows]
            for y in (made.outcome[0][rows], made.outcome[0][rows] * worth[rows]):
                d = differences(y, z, offsets(y, z, share=share, score=x).offset, share=share)
                limit, bets = difference_limit(share), difference_bets(0.02, share)
                for sign in (1, -1):
                    found = log_evidence_paths(sign * d, 0.0, bets=bets, limit=limit)
                    refuted |= bool((found >= -np.log(plan.alpha_each / 2)).any())
        wrong += refuted
    assert wrong <= allowed(200, ALPHA)


@pytest.mark.long
@pytest.mark.parametrize(("share", "kind", "cuped"), CASES)
def test_2000_experiments_without_a_difference(share: float, kind: str, cuped: bool) -> None:
    for part in range(4):
        made = simulate((500, 3_000), seed=10 + part, share=share, kind=kind)
        assert _ever_refuted(made, 0.0, share=share, cuped=cuped) <= allowed(500, ALPHA)


@pytest.mark.long
@pytest.mark.parametrize(("share", "kind", "cuped"), CASES)
def test_2000_drifting_effects_are_covered(share: float, kind: str, cuped: bool) -> None:
    wrong = 0
    for part in range(4):
        made = simulate((500, 3_000), seed=20 + part, share=share, kind=kind, effect=1.0)
        running = np.cumsum(made.effect, axis=1) / np.arange(1, 3_001)
        wrong += _ever_refuted(made, running, share=share, cuped=cuped)
    assert wrong <= allowed(2_000, ALPHA)


def test_cuped_with_all_customers_and_a_look_after_each_would_not_pass() -> None:
    """The budget above can be broken: the usual CUPED with the usual interval does."""
    made = simulate((300, 800), seed=1)
    x = np.nan_to_num(made.score, nan=0.3)
    n = np.arange(1, 801)

    def sums(values: Floats) -> Floats:
        return np.cumsum(values, axis=1)

    mean_x, mean_y = sums(x) / n, sums(made.outcome) / n
    slope = (sums(x * made.outcome) / n - mean_x * mean_y) / (sums(x * x) / n - mean_x**2 + 1e-9)
    # The difference of the arms' adjusted means at each look, with the coefficient of all so far.
    arm, rest = made.in_arm.astype(float), 1 - made.in_arm.astype(float)
    n1, n0 = np.maximum(sums(arm), 1), np.maximum(sums(rest), 1)
    gap = sums(arm * made.outcome) / n1 - sums(rest * made.outcome) / n0
    gap -= slope * (sums(arm * x) / n1 - sums(rest * x) / n0)
    left = sums(made.outcome**2) / n - mean_y**2 - slope**2 * (sums(x * x) / n - mean_x**2)
    z = gap / np.sqrt(np.maximum(left, 1e-9) * (1 / n1 + 1 / n0))
    wrong = np.isfinite(first_true(np.abs(z[:, 50:]) > 1.96)).sum()
    assert wrong > 3 * allowed(300, ALPHA)


def test_a_score_from_after_the_draw_would_not_pass() -> None:
    """The offer moves the score and nothing else: taken off, that looks like an effect."""
    made = simulate((100, 2_000), seed=3)
    moved = Tried(
        made.outcome,
        made.in_arm,
        np.where(made.in_arm, 0.5 * made.score, made.score),
        made.effect,
    )
    assert _ever_refuted(moved, 0.0, share=0.5, cuped=True) > 3 * allowed(100, ALPHA)


def test_cuped_saves_the_variance_that_the_score_explains() -> None:
    made = simulate((1, 20_000), seed=4)
    y, z, x = made.outcome[0], made.in_arm[0], made.score[0]
    plain = differences(y, z, offsets(y, z, share=0.5).offset, share=0.5)
    adjusted = differences(y, z, offsets(y, z, share=0.5, score=x).offset, share=0.5)
    saved = variance_saved(adjusted, plain)
    known = ~np.isnan(x)
    explained = known.mean() * np.corrcoef(x[known], y[known])[0, 1] ** 2
    assert explained > 0.12
    assert saved == pytest.approx(explained, abs=0.02)
    # A score that says nothing costs next to nothing.
    noise = np.random.default_rng(5).random(20_000)
    useless = differences(y, z, offsets(y, z, share=0.5, score=noise).offset, share=0.5)
    assert variance_saved(useless, plain) == pytest.approx(0.0, abs=0.003)


def test_no_offset_knows_its_own_customer() -> None:
    """Changing a customer's outcome, or arm, changes no offset up to his own."""
    made = simulate((1, 400), seed=6)
    y, z, x = made.outcome[0], made.in_arm[0], made.score[0]
    before = offsets(y, z, share=0.3, score=x)
    other_y, other_z = y.copy(), z.copy()
    other_y[250:], other_z[250:] = 1 - y[250:], ~z[250:]
    after = offsets(other_y, other_z, share=0.3, score=x)
    assert np.array_equal(before.offset[:251], after.offset[:251])
    assert np.array_equal(before.coefficient[:251], after.coefficient[:251])
    assert not np.array_equal(before.offset[251:], after.offset[251:])
    assert ((before.offset >= 0) & (before.offset <= 1)).all()


def test_right_shares_are_rarely_called_a_mismatch() -> None:
    rng = np.random.default_rng(7)
    shares = (0.2, 0.3, 0.5)
    wrong = 0
    for _ in range(400):
        counts = rng.multinomial(25, shares, size=80).cumsum(axis=0)
        need = -np.log(0.01)
        wrong += any(
            RatioEvidence().count(shares, row).log_evidence() >= need for row in counts.tolist()
        )
    assert wrong <= allowed(400, 0.01)
    # 2 points too few are found.
    broken = rng.multinomial(20_000, (0.18, 0.31, 0.51)).tolist()
    assert RatioEvidence().count(shares, broken).mismatch(0.01)


@pytest.mark.parametrize("correlation", [0.0, 0.45])
def test_planned_sizes_are_what_it_takes(correlation: float) -> None:
    """Simulated anew, customer by customer, with offsets that have to be learnt."""
    plan = Scenario(0.75, 0.08, 0.5, ALPHA, 0.8, correlation)
    size = sequential_size(plan, smallest_effect=0.05, simulations=1_000)
    assert size.customers is not None
    assert size.median is not None
    # Looking at any time has its price, which is not absurd.
    assert 1.1 * fixed_size(plan) < size.customers < 2.5 * fixed_size(plan)
    rng = np.random.default_rng(8)
    shape = (300, size.customers)
    high = rng.random(shape) < 0.5
    spread = correlation * np.sqrt(0.75 * 0.25)
    stays = np.where(high, 0.75 + spread, 0.75 - spread)
    in_arm = rng.random(shape) < 0.5
    y = (rng.random(shape) < np.clip(stays + 0.08 * in_arm, 0, 1)).astype(np.float64)
    score = np.where(high, 0.2, 0.4) if correlation else None
    x = differences(y, in_arm, offsets(y, in_arm, share=0.5, score=score).offset, share=0.5)
    bets = difference_bets(0.05, 0.5)
    found = log_evidence_paths(x, 0.0, bets=bets, limit=2.0) >= -np.log(ALPHA / 2)
    assert 0.7 < found.any(axis=1).mean() < 0.9
    assert 0.35 < found[:, : size.median].any(axis=1).mean() < 0.65


def test_a_fixed_size_has_its_power_for_one_look() -> None:
    plan = Scenario(0.75, 0.03, 0.5, ALPHA, 0.8)
    n = fixed_size(plan)
    rng = np.random.default_rng(9)
    arm, control = rng.binomial(n // 2, 0.78, 4_000), rng.binomial(n - n // 2, 0.75, 4_000)
    p1, p0 = arm / (n // 2), control / (n - n // 2)
    z = (p1 - p0) / np.sqrt(p1 * (1 - p1) / (n // 2) + p0 * (1 - p0) / (n - n // 2))
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.025)
