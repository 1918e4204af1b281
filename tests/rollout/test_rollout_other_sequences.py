"""The adaptive bettor, empirical Bernstein, the asymptotic sequence: arithmetic and errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from churnkit.data.simulate_pairs import simulate_pairs
from churnkit.errors import EvidenceInvalid
from churnkit.rollout import bernstein
from churnkit.rollout.asymptotic import MoneyState, add_money, money_bounds, one_sided_radius
from churnkit.rollout.betting import (
    BettingSequence,
    BettingState,
    Strategy,
    log_evidence_paths,
)
from churnkit.rollout.gains import brier_gain
from tests.rollout.simulations import allowed, first_true

Floats = npt.NDArray[np.float64]
VALUES = st.lists(st.floats(-1, 1), min_size=1, max_size=50)


@given(VALUES, st.integers(0, 50), st.floats(0.1, 100), st.sampled_from(["kelly", "plug_in"]))
def test_adaptive_bettor_goes_on_from_json(
    values: list[float], cut: int, limit: float, strategy: Strategy
) -> None:
    whole = BettingSequence(limit=limit, strategy=strategy)
    whole.update(np.array(values) * limit)
    part = BettingSequence(limit=limit, strategy=strategy)
    for x in values[:cut]:
        part.update(x * limit)
    part = BettingSequence.resume(BettingState.model_validate_json(part.state().model_dump_json()))
    if values[cut:]:
        part.update(np.array(values[cut:]) * limit)
    assert part.n == whole.n == len(values)
    assert part.log_evidence() == pytest.approx(whole.log_evidence(), abs=1e-9)
    assert part.lower(0.2) == pytest.approx(whole.lower(0.2))
    assert part.upper(0.2) == pytest.approx(whole.upper(0.2))
    path = log_evidence_paths(np.array([values]), strategy=strategy)[0]
    assert path[-1] == pytest.approx(whole.log_evidence(side="above"), abs=1e-9)
    mirrored = log_evidence_paths(-np.array([values]), strategy=strategy)[0]
    assert mirrored[-1] == pytest.approx(whole.log_evidence(side="below"), abs=1e-9)


@given(VALUES)
def test_adaptive_bets_know_the_past_only(values: list[float]) -> None:
    """Each capital is the one before times 1 + κX for a κ that the newest X did not change."""
    base = log_evidence_paths(np.array([[*values, 0.0]]))[0]
    up = log_evidence_paths(np.array([[*values, 0.5]]))[0]
    down = log_evidence_paths(np.array([[*values, -0.5]]))[0]
    assert base[-1] == pytest.approx(base[-2])
    assert math.exp(up[-1] - base[-1]) + math.exp(down[-1] - base[-1]) == pytest.approx(2)


def test_adaptive_bounds_lie_on_their_grid_outside_of_the_crossing() -> None:
    rng = np.random.default_rng(1)
    x = rng.choice([-0.2, 0.6], 2_000)
    sequence = BettingSequence(strategy="plug_in")
    sequence.update(x)
    assert 0.1 < sequence.lower(0.05) < 0.2 < sequence.upper(0.05) < 0.3
    test = BettingSequence(against=0.15)
    test.update(x)
    assert test.lower(0.05) > 0.15 and test.log_evidence() > -math.log(0.05)
    with pytest.raises(EvidenceInvalid):
        sequence.update(2.0)
    with pytest.raises(EvidenceInvalid, match="are meant"):
        BettingSequence.resume(sequence.state().model_copy(update={"lost_above": (0.0,)}))


def _iid(n_rollouts: int, n_labels: int, seed: int) -> Floats:
    made = simulate_pairs((n_rollouts, n_labels), np.random.default_rng(seed))
    return brier_gain(made.champion, made.challenger, made.left)


@pytest.mark.parametrize("strategy", ["kelly", "plug_in"])
def test_adaptive_bettor_is_rarely_wrong_on_independent_pairs(strategy: Strategy) -> None:
    x = _iid(1_000, 1_500, 2)
    wrong = first_true(log_evidence_paths(x, strategy=strategy) >= -math.log(0.05))
    assert np.isfinite(wrong).sum() <= allowed(1_000, 0.05)


def test_bernstein_covers_a_drifting_running_mean() -> None:
    rng = np.random.default_rng(3)
    at = np.arange(2_000)
    mean = np.broadcast_to(0.3 * np.sin(at / 150), (500, 2_000))
    x = mean + 0.6 * rng.choice([-1.0, 1.0], mean.shape)
    running = np.cumsum(mean, axis=1) / (at + 1)
    need = -math.log(0.025)
    missed = bernstein.log_evidence_paths(x, running) >= need
    missed |= bernstein.log_evidence_paths(-x, -running) >= need
    assert missed.any(axis=1).sum() <= allowed(500, 0.05)


def test_bernstein_capital_is_the_mixture_that_it_says() -> None:
    """Integrated numerically over λ, with the cut-off gamma prior on 1 - λ."""
    x, m = np.array([0.3, -0.2, 0.9, 0.0, 0.4]), 0.1
    rho = 30.0 / (2 * math.log(20) + math.log1p(2 * math.log(20)))
    deviation, squares = float((x - m).sum()), float((x**2).sum())

    def density(u: float) -> float:
        return u ** (rho - 1) * math.exp(-rho * u)

    def mixed(u: float) -> float:
        psi = -math.log(u) - (1 - u)
        return density(u) * math.exp((1 - u) * deviation - squares * psi)

    hand = integrate.quad(mixed, 0, 1)[0] / integrate.quad(density, 0, 1)[0]
    state = bernstein.BernsteinState().add(x[:2]).add(x[2:])
    assert state.log_evidence(m, side="above") == pytest.approx(math.log(hand), abs=1e-6)
    assert bernstein.log_evidence_paths(x, m)[-1] == pytest.approx(math.log(hand), abs=1e-6)
    mirrored = bernstein.BernsteinState().add(-x)
    assert mirrored.log_evidence(-m, side="below") == pytest.approx(math.log(hand), abs=1e-6)


@given(VALUES, st.floats(0.1, 50))
def test_bernstein_bounds_enclose_the_mean_and_scale(values: list[float], limit: float) -> None:
    state = bernstein.BernsteinState(limit=limit).add(np.array(values) * limit)
    plain = bernstein.BernsteinState().add(np.array(values))
    assert -limit <= state.lower(0.1) <= np.mean(values) * limit <= state.upper(0.1) <= limit
    assert state.lower(0.1) == pytest.approx(plain.lower(0.1) * limit, abs=1e-6 * limit)
    stored = bernstein.BernsteinState.model_validate_json(state.model_dump_json())
    assert stored == state
    with pytest.raises(EvidenceInvalid):
        state.add(np.array([limit * 1.1]))


def test_money_moments_are_those_of_all_values() -> None:
    values = np.random.default_rng(4).lognormal(3, 1, 5_000)
    state = MoneyState()
    for chunk in np.split(values, [10, 11, 4_000]):
        state = add_money(state, chunk)
    state = add_money(state, np.empty(0))
    assert state.n == 5_000
    assert state.mean == pytest.approx(values.mean())
    assert state.deviations / state.n == pytest.approx(values.var())
    bounds = money_bounds(MoneyState.model_validate_json(state.model_dump_json()), alpha=0.05)
    assert bounds.approximate and bounds.lower < values.mean() < bounds.upper
    assert money_bounds(MoneyState(), alpha=0.05).lower == -math.inf
    with pytest.raises(EvidenceInvalid):
        add_money(state, np.array([math.nan]))


def test_asymptotic_sequence_errs_about_as_often_as_it_says_from_the_first_hundredth_on() -> None:
    """Skewed money without a cap, first look after 300: error at most 5 %, with the allowance."""
    rng = np.random.default_rng(5)
    x = rng.gamma(2.0, 10.0, (1_000, 6_000)) - 20
    count = np.arange(1, 6_001.0)
    mean = np.cumsum(x, axis=1) / count
    sd = np.sqrt(np.cumsum(x**2, axis=1) / count - mean**2)
    wrong = (mean > sd * one_sided_radius(count, 0.05, 2_000))[:, 300:].any(axis=1)
    assert 0 < wrong.sum() <= allowed(1_000, 0.05)
