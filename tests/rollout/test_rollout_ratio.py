"""Sample-ratio mismatch: rarely a false alarm, soon a true one; returning customers count right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from churnkit.errors import EvidenceInvalid
from churnkit.rollout.assignment import buckets
from churnkit.rollout.ratio import KnownBucket, RatioEvidence, count_rollout
from tests.rollout.simulations import allowed


def test_evidence_is_the_bayes_factor_of_a_dirichlet() -> None:
    evidence = RatioEvidence().count((0.5, 0.3, 0.2), (12, 3, 5))
    hand = stats.dirichlet_multinomial.logpmf([12, 3, 5], np.array([0.5, 0.3, 0.2]) * 200, 20)
    hand -= stats.multinomial.logpmf([12, 3, 5], 20, [0.5, 0.3, 0.2])
    assert evidence.log_evidence() == pytest.approx(hand)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5]), st.booleans()), max_size=40))
def test_one_by_one_is_the_same_as_together(draws: list[tuple[float, bool]]) -> None:
    singly = RatioEvidence()
    for share, challenger in draws:
        singly = singly.count((share, 1 - share), (int(challenger), int(not challenger)))
    together = RatioEvidence()
    for share in {share for share, _ in draws}:
        hits = sum(challenger for each, challenger in draws if each == share)
        total = sum(each == share for each, _ in draws)
        together = together.count((share, 1 - share), (hits, total - hits))
    stored = RatioEvidence.model_validate_json(singly.model_dump_json())
    assert stored.log_evidence() == pytest.approx(together.log_evidence(), abs=1e-9)


def _paths(share: float, truth: float, n_rollouts: int, n: int, seed: int) -> float:
    """Share of rollouts that show a mismatch at any of 60 looks."""
    rng = np.random.default_rng(seed)
    wrong = 0
    for _ in range(n_rollouts):
        evidence = RatioEvidence()
        for hits in rng.binomial(n // 60, truth, 60).tolist():
            evidence = evidence.count((share, 1 - share), (hits, n // 60 - hits))
            if evidence.mismatch(0.05):
                wrong += 1
                break
    return wrong


@pytest.mark.parametrize("share", [0.01, 0.25])
def test_false_alarms_are_within_the_budget_and_true_ones_come(share: float) -> None:
    assert _paths(share, share, 500, 6_000, 1) <= allowed(500, 0.05)
    assert _paths(share, share * 1.5 + 0.01, 100, 6_000, 2) >= 95


def test_a_ramp_of_returning_customers_rarely_alarms() -> None:
    ids = [f"C{number}" for number in range(500)]
    alarms = 0
    for salt in range(60):
        places = buckets(ids, salt=f"s{salt}").tolist()
        evidence, known = RatioEvidence(), dict[str, KnownBucket]()
        for share in (0.01, 0.05, 0.25, 0.25, 0.30, 0.10):
            arms = {each: place < share for each, place in zip(ids, places, strict=True)}
            evidence, now = count_rollout(evidence, share=share, arms=arms, before=known)
            known |= now
        alarms += evidence.mismatch(0.05)
    assert alarms <= allowed(60, 0.05)


def test_returning_customers_are_not_fresh_draws() -> None:
    """600 customers, 175 of them the challenger's where 150 were expected, in ten periods at the
    same share. That is one draw (2.4 standard errors), not ten: counting it anew cries wolf."""
    arms = {f"C{number}": number < 175 for number in range(600)}
    once, known = count_rollout(RatioEvidence(), share=0.25, arms=arms, before={})
    right, naive = once, once
    for _ in range(9):
        right, _ = count_rollout(right, share=0.25, arms=arms, before=known)
        naive, _ = count_rollout(naive, share=0.25, arms=arms, before={})
    assert right.log_evidence() == once.log_evidence() and not right.mismatch(0.05)
    assert naive.mismatch(1e-6)


def test_who_changes_sides_is_a_mismatch() -> None:
    known = {"a": KnownBucket().after(0.05, challenger=True)}
    evidence, after = count_rollout(RatioEvidence(), share=0.25, arms={"a": False}, before=known)
    assert evidence.log_evidence() == math.inf and evidence.mismatch(1e-9)
    assert after["a"] == known["a"]
    sticky, _ = count_rollout(RatioEvidence(), share=0.25, arms={"a": True}, before=known)
    assert sticky.log_evidence() == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 0.999))
def test_what_is_known_of_a_bucket_always_holds_it(shares: list[float], place: float) -> None:
    known = KnownBucket()
    for share in shares:
        chance = known.challenger_probability(share)
        assert 0 <= chance <= 1
        assert chance > 0 or place >= share
        known = known.after(share, challenger=place < share)
        assert known.low <= place < known.high


@pytest.mark.parametrize(
    "shares, counts", [((0.5, 0.5), (1,)), ((0.5, 0.5), (1, -1)), ((0.5, 0.6), (1, 1))]
)
def test_counts_without_their_shares_are_refused(
    shares: tuple[float, ...], counts: tuple[int, ...]
) -> None:
    with pytest.raises(EvidenceInvalid):
        RatioEvidence().count(shares, counts)
