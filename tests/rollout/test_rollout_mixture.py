"""The mixture of fixed bets: its arithmetic; what it guarantees is in test_rollout_guarantees."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.errors import EvidenceInvalid
from churnkit.rollout.bets import BOLD, N_BETS, PATIENT, Bets, fractions
from churnkit.rollout.mixture import MeanSequence, MeanState, log_evidence_paths

VALUES = st.lists(st.floats(-1, 1), min_size=1, max_size=60)


def _filled(values: list[float], limit: float = 1.0) -> MeanSequence:
    sequence = MeanSequence(limit=limit)
    sequence.update(np.array(values) * limit)
    return sequence


@given(VALUES, st.floats(-0.9, 0.9))
def test_capital_is_that_of_bettors_with_a_fixed_stake_each(values: list[float], m: float) -> None:
    capital = sum(
        weight * math.prod((1 + bet * x) / (1 + bet * m) for x in values)
        for weight, bet in zip(PATIENT.weights(), fractions(), strict=True)
    )
    evidence = _filled(values).log_evidence(m, side="above", bets=PATIENT)
    assert evidence == pytest.approx(math.log(capital), abs=1e-8)


@given(VALUES, st.floats(-0.9, 0.9))
def test_paths_are_the_sequence_after_each_observation(values: list[float], m: float) -> None:
    path = log_evidence_paths(np.array([values]), m, bets=BOLD)[0]
    sequence = MeanSequence()
    for x, expected in zip(values, path, strict=True):
        sequence.update(x)
        assert sequence.log_evidence(m, side="above", bets=BOLD) == pytest.approx(expected)
    mirrored = _filled([-x for x in values])
    below = mirrored.log_evidence(-m, side="below", bets=BOLD)
    assert below == pytest.approx(path[-1])


@given(VALUES, st.floats(0.001, 0.4))
def test_bounds_enclose_the_mean_and_shrink_with_the_level(values: list[float], a: float) -> None:
    sequence = _filled(values)
    assert -1 <= sequence.lower(a) <= sequence.mean <= sequence.upper(a) <= 1
    assert sequence.lower(a / 2) <= sequence.lower(a)
    assert sequence.upper(a / 2) >= sequence.upper(a)
    # The bound is where the capital reaches 1 / alpha.
    if sequence.lower(a) > -1:
        at = sequence.log_evidence(sequence.lower(a), side="above", bets=PATIENT)
        assert at == pytest.approx(-math.log(a), abs=1e-6)


@given(VALUES, st.integers(0, 59), st.floats(0.01, 500))
def test_a_sequence_goes_on_from_json_in_any_chunks(
    values: list[float], cut: int, limit: float
) -> None:
    whole = _filled(values, limit)
    part = _filled(values[:cut], limit) if values[:cut] else MeanSequence(limit=limit)
    stored = part.state().model_dump_json()
    resumed = MeanSequence.resume(MeanState.model_validate_json(stored))
    for x in values[cut:]:
        resumed.update(x * limit)
    assert resumed.n == whole.n
    assert resumed.mean == pytest.approx(whole.mean, abs=1e-9 * limit)
    assert resumed.lower(0.05) == pytest.approx(whole.lower(0.05), abs=1e-9 * limit)
    assert resumed.upper(0.05) == pytest.approx(whole.upper(0.05), abs=1e-9 * limit)


@given(VALUES, st.floats(0.01, 1000))
def test_bounds_scale_with_the_limit(values: list[float], limit: float) -> None:
    scaled = _filled(values, limit)
    assert scaled.lower(0.05) == pytest.approx(limit * _filled(values).lower(0.05), abs=1e-9)


def test_exact_ties_prove_no_gain_but_prove_that_there_is_no_loss() -> None:
    sequence = MeanSequence()
    sequence.update(np.zeros(1_000))
    assert sequence.log_evidence(0.0, side="above", bets=PATIENT) == pytest.approx(0, abs=1e-9)
    assert sequence.log_evidence(0.0, side="below", bets=BOLD) == pytest.approx(0, abs=1e-9)
    assert sequence.lower(0.05) < 0 < sequence.upper(0.05)
    assert sequence.lower(0.05) > -0.02  # capital (1 - 0.01·κ)^-1000 is far above 20 for κ = 0.3


def test_extremes_stay_finite() -> None:
    sequence = MeanSequence()
    sequence.update(np.ones(200_000))
    assert math.isfinite(sequence.log_evidence(-1.0, side="above", bets=PATIENT))
    assert sequence.lower(1e-12) > 0.999
    sequence = MeanSequence()
    sequence.update(-np.ones(200_000))
    assert sequence.lower(0.05) == -1
    assert sequence.log_evidence(0.0, side="above", bets=PATIENT) < -1_000


def test_nothing_is_known_before_the_first_observation() -> None:
    sequence = MeanSequence(limit=56)
    assert (sequence.lower(0.05), sequence.upper(0.05)) == (-56, 56)
    assert sequence.mean == sequence.sd == 0


@pytest.mark.parametrize("wrong", [1.01, -1.2, math.nan, math.inf])
def test_values_beyond_the_limit_are_refused_whole(wrong: float) -> None:
    sequence = MeanSequence()
    with pytest.raises(EvidenceInvalid):
        sequence.update(np.array([0.1, wrong]))
    assert sequence.n == 0


def test_a_state_of_another_grid_is_refused() -> None:
    state = MeanSequence().state().model_copy(update={"above": (0.0,)})
    with pytest.raises(EvidenceInvalid, match=f"where {N_BETS} are meant"):
        MeanSequence.resume(state)
    with pytest.raises(EvidenceInvalid, match="above 0"):
        MeanSequence(limit=0)


@pytest.mark.parametrize("bets", [PATIENT, BOLD, Bets(centre=0.5, spread=1, everywhere=1)])
def test_stakes_add_up_to_one_and_leave_none_out(bets: Bets) -> None:
    assert bets.weights().sum() == pytest.approx(1)
    assert (bets.weights() > 0).all()
