"""The quantile sequence for latency: covered at all times, and a slow model is found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from churnkit.errors import EvidenceInvalid
from churnkit.rollout.quantile import PlainThreshold, QuantileState, _log_evidence_fewer
from tests.rollout.simulations import allowed


def test_evidence_is_the_mixture_of_likelihood_ratios() -> None:
    p, k, n = 0.9, 5, 9
    a, b = 9.0, 1.0

    def mixed(theta: float) -> float:
        ratio = (theta / p) ** k * ((1 - theta) / (1 - p)) ** (n - k)
        return float(ratio * stats.beta.pdf(theta, a, b) / stats.beta.cdf(p, a, b))

    hand = integrate.quad(mixed, 0, p)[0]
    assert _log_evidence_fewer(k, n, p) == pytest.approx(math.log(hand), rel=1e-6)


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_quantile_is_covered_at_all_times(q: float) -> None:
    """Lognormal latencies rounded to whole milliseconds, so that there are ties."""
    rng = np.random.default_rng(1)
    truth = np.round(np.exp(3 + 0.5 * stats.norm.ppf(q)))
    missed = 0
    for _ in range(300):
        state = QuantileState(q=q)
        values = np.round(rng.lognormal(3, 0.5, 400))
        for start in range(0, 400, 10):
            state = state.add(values[start : start + 10])
            if not state.lower(0.025) <= truth <= state.upper(0.025):
                missed += 1
                break
    assert missed <= allowed(300, 0.05)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_each_bound_spends_its_own_level(side: str) -> None:
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(300):
        state, values = QuantileState(q=0.5), rng.normal(0, 1, 150)
        for start in range(0, 150, 3):
            state = state.add(values[start : start + 3])
            if state.lower(0.1) > 0 if side == "lower" else state.upper(0.1) < 0:
                missed += 1
                break
    assert missed <= allowed(300, 0.1)


def test_bounds_close_in_and_a_slow_model_is_found() -> None:
    rng = np.random.default_rng(2)
    state = QuantileState(q=0.5).add(rng.normal(60, 5, 300))
    assert 57 < state.lower(0.05) < 60 < state.upper(0.05) < 63
    assert state.log_evidence(50.0) >= -math.log(0.001)
    assert state.log_evidence(62.0) < 0
    assert QuantileState.model_validate_json(state.model_dump_json()) == state


def test_without_windows_nothing_is_known() -> None:
    state = QuantileState(q=0.9)
    assert (state.lower(0.05), state.upper(0.05)) == (-math.inf, math.inf)
    assert state.log_evidence(1.0) == 0
    with pytest.raises(EvidenceInvalid):
        state.add([math.nan])


def test_a_plain_threshold_only_compares() -> None:
    assert not PlainThreshold(n=0, above=0, largest_share=0.5).breached
    assert PlainThreshold(n=10, above=6, largest_share=0.5).breached
    assert not PlainThreshold(n=10, above=5, largest_share=0.5).breached
