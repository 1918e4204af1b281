"""The generator of pairs: quality and calibration are as it says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from churnkit.data.simulate_pairs import (
    BETTER_NOISE,
    CHAMPION_NOISE,
    WORSE_NOISE,
    expected_brier,
    expected_profit,
    simulate_pairs,
)


@pytest.mark.parametrize(
    "noise, auc", [(CHAMPION_NOISE, 0.730), (WORSE_NOISE, 0.673), (BETTER_NOISE, 0.746)]
)
def test_models_have_the_stated_auc_and_are_calibrated(noise: float, auc: float) -> None:
    n = 400_000
    made = simulate_pairs(n, np.random.default_rng(1), challenger_noise=noise)
    assert roc_auc_score(made.left, made.challenger) == pytest.approx(auc, abs=0.006)
    assert made.left.mean() == pytest.approx(0.276, abs=0.003)
    edges = np.quantile(made.challenger, np.linspace(0, 1, 11))
    place = np.clip(np.searchsorted(edges, made.challenger, side="right") - 1, 0, 9)
    for decile in range(10):
        inside = place == decile
        gap = made.left[inside].mean() - made.challenger[inside].mean()
        assert abs(gap) < 4 * np.sqrt(0.25 / inside.sum())  # 4 standard errors


def test_expected_losses_are_those_of_many_customers() -> None:
    n = 1_000_000
    made = simulate_pairs(n, np.random.default_rng(2), challenger_noise=WORSE_NOISE)
    brier = (made.challenger - made.left) ** 2
    assert expected_brier(WORSE_NOISE) == pytest.approx(brier.mean(), abs=4 * brier.std() / 1e3)
    earned = np.where(made.challenger >= 0.17, np.where(made.left, 56.0, -11.0), 0.0)
    said = expected_profit(WORSE_NOISE, threshold=0.17, leaver=56.0, stayer=-11.0)
    assert said == pytest.approx(earned.mean(), abs=4 * earned.std() / 1e3)


def test_a_shift_moves_the_logit_and_the_seed_repeats() -> None:
    plain = simulate_pairs((2, 5), np.random.default_rng(3))
    shifted = simulate_pairs((2, 5), np.random.default_rng(3), challenger_shift=1.0)
    logit = np.log(plain.challenger / (1 - plain.challenger))
    assert np.log(shifted.challenger / (1 - shifted.challenger)) == pytest.approx(logit + 1)
    assert (plain.left == shifted.left).all() and (plain.champion == shifted.champion).all()
