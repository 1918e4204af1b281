"""Time to churn under staggered entry: how often the log-rank test errs, looked at every day."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from churnkit.rollout.logrank import (
    NEVER,
    LogRank,
    RiskSets,
    alternatives,
    log_evidence_by_day,
    risk_sets,
)
from tests.rollout.simulations import allowed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ALPHA = 0.05
ENTRY_DAYS, FOLLOWED = 40, 30


def simulate(
    seed: int, *, ratio: float = 1.0, per_day: int = 25, share: float = 0.5
) -> tuple[Ints, Ints, Bools]:
    """Customers who enter day by day; the odds of leaving change with both clocks.

    Returns
    -------
    entered, left, in_arm : days, and who is in the arm
    """
    rng = np.random.default_rng(seed)
    entered = np.repeat(np.arange(ENTRY_DAYS), per_day)
    in_arm = rng.random(len(entered)) < share
    left = np.full(len(entered), NEVER)
    for age in range(FOLLOWED + 1):
        # Most leave early on; in the second half of the experiment fewer do; weekends are quiet.
        today = entered + age
        odds = 0.025 * (1 + 2 * np.exp(-age / 6)) * np.where(today > 35, 0.6, 1.0)
        odds = odds * np.where(today % 7 >= 5, 0.3, 1.0) * np.where(in_arm, ratio, 1.0)
        leaves = (left == NEVER) & (rng.random(len(entered)) < odds / (1 + odds))
        left[leaves] = today[leaves]
    return entered, left, in_arm


def _sets(entered: Ints, left: Ints, in_arm: Bools, known_until: int = 1_000) -> RiskSets:
    return risk_sets(
        entered=entered,
        left=left,
        until=entered + FOLLOWED,
        in_arm=in_arm,
        known_until=known_until,
    )


def _ever_refuted(
    n: int, *, ratio: float, against: float, seed: int = 0, share: float = 0.5
) -> int:
    wrong = 0
    for place in range(n):
        sets = _sets(*simulate(seed + place, ratio=ratio, share=share))
        _, evidence = log_evidence_by_day(sets, hazard_ratio=0.8, ratio=against)
        wrong += bool((evidence >= -math.log(ALPHA)).any())
    return wrong


def test_equal_hazards_are_rarely_refuted() -> None:
    assert _ever_refuted(150, ratio=1.0, against=1.0) <= allowed(150, ALPHA)


def test_the_true_ratio_is_covered_at_all_times() -> None:
    assert _ever_refuted(100, ratio=0.6, against=0.6, seed=1_000) <= allowed(100, ALPHA)


@pytest.mark.long
@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize("ratio", [1.0, 0.6, 1.5])
def test_a_ratio_is_rarely_refuted_in_2000_experiments(ratio: float, share: float) -> None:
    wrong = _ever_refuted(2_000, ratio=ratio, against=ratio, seed=10_000, share=share)
    assert wrong <= allowed(2_000, ALPHA)


def test_peeking_with_the_usual_log_rank_test_would_not_pass() -> None:
    """The budget above can be broken: the fixed-sample test, looked at every third day, does."""
    wrong, looks = 0, range(5, 71, 3)
    for seed in range(60):
        entered, left, in_arm = simulate(seed)
        wrong += any(abs(_usual_z(entered, left, in_arm, today)) > 1.96 for today in looks)
    assert wrong > 1.5 * allowed(60, ALPHA)


def _usual_z(entered: Ints, left: Ints, in_arm: Bools, today: int) -> float:
    """Mantel's log-rank statistic by time since entry, as it stands on a day of the calendar."""
    here = entered <= today
    known = np.minimum(entered + FOLLOWED, today)[here] - entered[here]
    age, arm = left[here] - entered[here], in_arm[here]
    gone = age <= known
    out = np.where(gone, age, known)
    gap = variance = 0.0
    for day in np.unique(age[gone]):
        at_risk = out >= day
        n, n1 = int(at_risk.sum()), int((at_risk & arm).sum())
        d = int((gone & (age == day)).sum())
        d1 = int((gone & (age == day) & arm).sum())
        gap += d1 - d * n1 / n
        if n > 1:
            variance += d * (n1 / n) * (1 - n1 / n) * (n - d) / (n - 1)
    return gap / math.sqrt(variance) if variance else 0.0


def test_a_clear_difference_is_found_while_customers_enter() -> None:
    """Found before an outcome over the whole window would have matured for the last cohort."""
    days = []
    for seed in range(20):
        at, evidence = log_evidence_by_day(
            _sets(*simulate(seed, ratio=0.55, per_day=50)), hazard_ratio=0.7
        )
        found = evidence >= -math.log(ALPHA)
        days.append(at[np.argmax(found)] if found.any() else 1_000)
    assert np.median(days) < ENTRY_DAYS


def test_each_look_goes_on_from_the_one_before() -> None:
    """What is known on a day is the beginning of what is known later: nothing is rewritten."""
    entered, left, in_arm = simulate(3, ratio=0.7)
    whole = _sets(entered, left, in_arm)
    days, evidence = log_evidence_by_day(whole, hazard_ratio=0.8)
    for today in (10, 25, 50):
        sets = _sets(entered, left, in_arm, known_until=today)
        assert (sets.day <= today).all()
        here = whole.day <= today
        for name in RiskSets.__slots__:
            assert np.array_equal(getattr(sets, name), getattr(whole, name)[here])
        now = LogRank(sets, hazard_ratio=0.8).log_evidence()
        assert now == pytest.approx(evidence[days <= today][-1], abs=1e-9)


def test_risk_sets_are_counted_customer_by_customer() -> None:
    entered, left, in_arm = simulate(4, per_day=6)
    sets = _sets(entered, left, in_arm, known_until=45)
    last = np.minimum(entered + FOLLOWED, 45)
    rows = []
    for cohort in range(ENTRY_DAYS):
        for day in range(46):
            mine = entered == cohort
            now = mine & (left == day) & (day <= last)
            if now.any():
                at_risk = mine & (left >= day) & (last >= day)
                rows.append((
                    day, int((at_risk & in_arm).sum()), int((at_risk & ~in_arm).sum()),
                    int(now.sum()), int((now & in_arm).sum()),
                ))  # fmt: skip
    found = list(zip(*(getattr(sets, name).tolist() for name in RiskSets.__slots__), strict=True))
    assert found == sorted(rows)


def test_the_interval_is_where_the_evidence_says() -> None:
    entered, left, in_arm = simulate(5, ratio=0.6, per_day=60)
    test = LogRank(_sets(entered, left, in_arm), hazard_ratio=0.8)
    ratio, lower, upper = test.interval(ALPHA)
    assert lower < ratio < upper
    assert ratio == pytest.approx(0.6, abs=0.12)
    need = -math.log(ALPHA)
    for edge, outward in ((lower, 0.99), (upper, 1.01)):
        assert test.log_evidence(edge) >= need - 1e-6
        assert test.log_evidence(edge * outward) > test.log_evidence(edge)
        assert test.log_evidence(edge / outward) < need
    likelihoods = [test.log_likelihood(math.log(ratio * factor)) for factor in (0.97, 1.0, 1.03)]
    assert likelihoods[1] == max(likelihoods)


def test_who_leaves_alone_counts_as_in_coxs_likelihood() -> None:
    """Without ties each leaving gives n₁θ/(n₁θ + n₀), or n₀/(n₁θ + n₀)."""
    left = np.array([1, 2, 3, 4])
    in_arm = np.array([True, False, True, False])
    sets = _sets(np.zeros(4, dtype=np.int64), left, in_arm)
    test = LogRank(sets, hazard_ratio=0.8)
    theta = 0.6
    expected = 2 * theta / (2 * theta + 2) * 2 / (theta + 2) * theta / (theta + 1)
    assert test.log_likelihood(math.log(theta)) == pytest.approx(math.log(expected))


def test_a_side_without_customers_says_nothing() -> None:
    entered = np.zeros(5, dtype=np.int64)
    left = np.array([1, 2, 3, 4, NEVER])
    alone = LogRank(_sets(entered, left, np.ones(5, dtype=bool)), hazard_ratio=0.8)
    assert alone.events == alone.events_arm == 4
    assert alone.log_evidence() == pytest.approx(0.0)
    assert alone.interval(ALPHA)[1:] == (0.0, math.inf)
    nobody = _sets(entered[:0], left[:0], np.ones(0, dtype=bool))
    assert LogRank(nobody, hazard_ratio=0.8).log_evidence() == 0.0


def test_the_stake_is_spread_once_and_on_both_directions() -> None:
    logs, weights = alternatives(0.8)
    assert weights.sum() == pytest.approx(1.0)
    assert np.allclose(logs, -logs[::-1])
    assert np.allclose(weights, weights[::-1])
    assert all(a < b for a, b in pairwise(logs.tolist()))
