"""From pairs to evidence: the unit, the order, the weights, and each metric's meaning."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from churnkit.data.simulate_pairs import expected_brier, simulate_pairs
from churnkit.domain.campaign import ContactTerms
from churnkit.errors import EvidenceInvalid
from churnkit.measures.profit import campaign_profit, contact_profit
from churnkit.rollout.bets import PATIENT
from churnkit.rollout.evidence import StreamState, absorb, count_failures
from churnkit.rollout.gains import (
    brier_gain,
    failure_gain,
    log_loss_gain,
    log_loss_limit,
    profit_gain,
)
from churnkit.rollout.mixture import MeanSequence
from churnkit.rollout.pairs import Pairs, make_pairs
from churnkit.rollout.plan import Plan, Policy
from churnkit.rollout.weighting import holdout_weights, propensity_weights
from tests.rollout.simulations import TERMS, allowed

Floats = npt.NDArray[np.float64]

PLAN = Plan(policy=Policy(terms=TERMS, success_rate_band=(0.2, 0.4)))
START = np.datetime64("2026-01-01", "us")


def _times(n: int) -> npt.NDArray[np.datetime64]:
    return START + np.arange(n) * np.timedelta64(1, "h")


def _pairs(n: int, seed: int = 0, noise: float = 2.0, **columns: Floats) -> Pairs:
    made = simulate_pairs(n, np.random.default_rng(seed), challenger_noise=noise)
    return make_pairs(
        customer_id=[f"C{number}" for number in range(n)],
        predicted_at=_times(n),
        champion=made.champion,
        challenger=made.challenger,
        left=made.left,
        **columns,
    )


def test_mean_gains_are_differences_of_the_known_scores() -> None:
    pairs = _pairs(2_000)
    state = absorb(PLAN, StreamState(), pairs)
    y, p, q = pairs.left, pairs.champion, pairs.challenger
    means = {name: MeanSequence.resume(each).mean for name, each in state.means.items()}
    assert means["brier"] == pytest.approx(brier_score_loss(y, p) - brier_score_loss(y, q))
    clipped = [np.clip(each, 0.01, 0.99) for each in (p, q)]
    assert means["log_loss"] == pytest.approx(log_loss(y, clipped[0]) - log_loss(y, clipped[1]))
    for name, rate in (("profit", 0.3), ("profit_low", 0.2), ("profit_high", 0.4)):
        money = TERMS.model_dump() | {"success_rate": rate, "threshold": TERMS.threshold}
        expected = campaign_profit(y, q, **money) - campaign_profit(y, p, **money)
        assert means[name] == pytest.approx(expected)
    assert state.uncapped_profit.mean == pytest.approx(means["profit"])


@given(st.floats(1, 1000), st.floats(0, 50), st.floats(0, 50), st.floats(0.01, 1))
def test_terms_are_those_of_training(
    value: float, contact: float, offer: float, success: float
) -> None:
    terms = ContactTerms(
        customer_value=value, contact_cost=contact, offer_cost=offer, success_rate=success
    )
    each = contact_profit(np.array([True, False]), **terms.model_dump())
    assert each.tolist() == [terms.leaver, terms.stayer]


@given(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.floats(0.001, 0.4))
def test_gains_keep_to_their_limits_and_change_sign_with_the_models(
    p: float, q: float, left: bool, clip: float
) -> None:
    one, two, y = np.array([p]), np.array([q]), np.array([left])
    for gain, back, limit in (
        (brier_gain(one, two, y), brier_gain(two, one, y), 1.0),
        (
            log_loss_gain(one, two, y, clip=clip),
            log_loss_gain(two, one, y, clip=clip),
            log_loss_limit(clip),
        ),
    ):
        assert gain == pytest.approx(-back)
        assert abs(gain[0]) <= limit * (1 + 1e-12)


def test_cap_and_own_values_of_customers_count() -> None:
    policy = Policy(terms=TERMS, cap=30.0)
    plan = Plan(policy=policy)
    pairs = make_pairs(
        customer_id=["a", "b", "c"],
        predicted_at=_times(3),
        champion=np.array([0.0, 0.0, 0.0]),
        challenger=np.array([0.9, 0.9, 0.0]),
        left=np.array([True, True, True]),
        customer_value=np.array([np.nan, 60.0, 1e6]),
    )
    state = absorb(plan, StreamState(), pairs)
    assert plan.limit("profit") == 30
    # 56 is capped at 30; 0.3·(60 - 10) - 1 = 14; where both choose alike nothing is gained.
    assert MeanSequence.resume(state.means["profit"]).mean == pytest.approx((30 + 14 + 0) / 3)
    assert state.uncapped_profit.mean == pytest.approx((56 + 14 + 0) / 3)


def test_the_unit_is_a_customers_first_prediction() -> None:
    """A thousand scorings of the same ten customers are ten pairs, not a thousand."""
    made = simulate_pairs(1_000, np.random.default_rng(3))
    pairs = make_pairs(
        customer_id=[f"C{number % 10}" for number in range(1_000)],
        predicted_at=_times(1_000),
        champion=made.champion,
        challenger=made.challenger,
        left=made.left,
    )
    state = absorb(PLAN, StreamState(), pairs)
    assert (state.n, state.repeated) == (10, 990)
    only = absorb(PLAN, StreamState(), pairs.take(np.arange(10)))
    assert state.means == only.means


def test_repeated_customers_would_be_told_apart_wrongly_without_deduplication() -> None:
    """Equal models, thirty customers who come back a hundred times each with the same outcome."""
    wrong = {1: 0, 100: 0}
    for seed in range(200):
        made = simulate_pairs(30, np.random.default_rng([4, seed]))
        gains = brier_gain(made.champion, made.challenger, made.left)
        for times in wrong:
            sequence = MeanSequence()
            sequence.update(np.tile(gains, times))
            wrong[times] += sequence.lower(0.05, bets=PATIENT) > 0
    assert wrong[1] <= allowed(200, 0.05)
    assert wrong[100] > 3 * allowed(200, 0.05)


@given(st.lists(st.integers(0, 60), max_size=4), st.permutations(range(60)))
def test_chunks_and_repetitions_change_nothing(cuts: list[int], order: list[int]) -> None:
    pairs = _pairs(60, seed=5)
    whole = absorb(PLAN, StreamState(), pairs.take(np.array(order)))
    state = StreamState()
    edges = sorted({0, 60, *cuts})
    for begin, end in itertools.pairwise(edges):
        chunk = pairs.take(np.arange(begin, end))
        state = absorb(PLAN, StreamState.model_validate_json(state.model_dump_json()), chunk)
        again = absorb(PLAN, state, chunk)
        assert again.not_after == end - begin
        assert again.means == state.means and again.n == state.n
    assert state.n == whole.n == 60 and state.watermark == whole.watermark
    assert state.means["brier"].above == pytest.approx(whole.means["brier"].above)


def test_what_comes_late_is_left_out_and_counted() -> None:
    pairs = _pairs(10)
    state = absorb(PLAN, StreamState(), pairs.take(np.arange(5, 10)))
    late = absorb(PLAN, state, pairs.take(np.arange(5)))
    assert late.n == 5 and late.not_after == 5 and late.means == state.means


def _treated_world(seed: int, n: int) -> tuple[Pairs, Floats, Floats]:
    """Most of those whom the champion scores high are contacted, which keeps most leavers; the
    models are equally good."""
    rng = np.random.default_rng(seed)
    made = simulate_pairs(n, rng)
    probability = np.where(made.champion >= 0.4, 0.9, 0.05)
    treated = rng.random(n) < probability
    left = made.left & ~(treated & (rng.random(n) < 0.7))
    pairs = make_pairs(
        customer_id=[f"C{number}" for number in range(n)],
        predicted_at=_times(n),
        champion=made.champion,
        challenger=made.challenger,
        left=left,
    )
    return pairs, treated, probability


def test_untreated_only_misleads_and_weights_do_not() -> None:
    """Two equally good models, and a budget for those at or above 0.4. The untreated are the
    champion's low scores: only the challenger would contact any of them, so it seems to earn money
    that the champion leaves on the table, and an equal challenger would be promoted. Inverse
    propensities and a random hold-out give the true gain, which is 0."""
    n = 200_000

    def profits(p: Floats, q: Floats, left: npt.NDArray[np.bool_]) -> Floats:
        pays = {"champion_threshold": 0.4, "challenger_threshold": 0.4}
        return profit_gain(p, q, left, terms=TERMS, cap=TERMS.leaver, **pays)

    pairs, treated, probability = _treated_world(6, n)
    gain = profits(pairs.champion, pairs.challenger, pairs.left)

    untreated = gain[~treated]
    assert untreated.mean() > 20 * untreated.std() / np.sqrt(len(untreated))

    weights = propensity_weights(treated, probability, floor=0.05)
    weighted = gain * weights
    assert abs(weighted.mean()) < 4 * weighted.std() / np.sqrt(n)

    # A hold-out is fixed before scoring, and never treated: its outcomes are untouched.
    made = simulate_pairs(n, np.random.default_rng(8))
    member = np.random.default_rng(9).random(n) < 0.2
    held = brier_gain(made.champion, made.challenger, made.left)[~np.isnan(holdout_weights(member))]
    assert abs(held.mean()) < 4 * held.std() / np.sqrt(len(held))


def test_weighted_evidence_estimates_the_gain_among_all_customers() -> None:
    plan = Plan(policy=Policy(terms=TERMS), outcomes="propensity", smallest_propensity=0.2)
    made = simulate_pairs(60_000, np.random.default_rng(10), challenger_noise=2.0)
    probability = np.where(made.champion >= 0.35, 0.75, 0.1)
    treated = np.random.default_rng(11).random(60_000) < probability
    pairs = make_pairs(
        customer_id=[f"C{number}" for number in range(60_000)],
        predicted_at=_times(60_000),
        champion=made.champion,
        challenger=made.challenger,
        left=made.left & ~treated,
        weight=propensity_weights(treated, probability, floor=0.2),
    )
    state = absorb(plan, StreamState(), pairs)
    sequence = MeanSequence.resume(state.means["brier"])
    truth = expected_brier(1.2) - expected_brier(2.0)
    assert state.n == 60_000 and sequence.limit == 5
    assert sequence.lower(0.01) < truth < sequence.upper(0.01) < 0


def test_outside_of_holdout_and_overlap_nothing_counts() -> None:
    weights = propensity_weights(
        np.array([True, False, False]), np.array([0.5, 0.5, 0.95]), floor=0.1
    )
    assert weights[:2].tolist() == [0, 2] and np.isnan(weights[2])
    state = absorb(PLAN, StreamState(), _pairs(3, weight=holdout_weights(np.array([1, 0, 0]))))
    assert (state.n, state.without_weight) == (1, 2)
    with pytest.raises(EvidenceInvalid, match="more than the plan allows"):
        absorb(PLAN, StreamState(), _pairs(2, weight=np.array([1.0, 1.5])))
    with pytest.raises(EvidenceInvalid, match="not in"):
        propensity_weights(np.array([False]), np.array([np.nan]), floor=0.1)


def test_failures_need_no_outcome() -> None:
    champion, challenger = np.array([1, 0, 0, 1], bool), np.array([0, 1, 0, 1], bool)
    assert failure_gain(champion, challenger).tolist() == [1, -1, 0, 0]
    state = count_failures(count_failures(None, champion, challenger), champion, challenger)
    assert state.n == 8 and MeanSequence.resume(state).mean == 0


@pytest.mark.parametrize(
    "column, values",
    [
        ("champion", [0.5, 1.1]),
        ("challenger", [np.nan, 0.5]),
        ("weight", [-1.0, 1.0]),
        ("customer_value", [np.inf, 1.0]),
        ("left", [True]),
        ("predicted_at", [np.datetime64("NaT"), np.datetime64("2026-01-01")]),
    ],
)
def test_columns_that_cannot_be_are_refused(column: str, values: list[object]) -> None:
    columns = {
        "customer_id": ["a", "b"],
        "predicted_at": _times(2),
        "champion": np.array([0.1, 0.2]),
        "challenger": np.array([0.1, 0.2]),
        "left": np.array([True, False]),
        column: np.array(values),
    }
    with pytest.raises(EvidenceInvalid) as refused:
        make_pairs(**columns)  # type: ignore[arg-type]
    assert refused.value.where["column"] == column


def test_no_pairs_are_no_evidence() -> None:
    state = absorb(PLAN, StreamState(), _pairs(0))
    assert state.n == 0 and state.watermark is None
