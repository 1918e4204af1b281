"""Pairs of predictions whose quality is known: two models that see the same customers dimly.

A customer's true logit of leaving is normal (mean -1.3, sd 1.4: a base rate of about 0.276). Each
model sees it with normal noise of its own and returns the posterior mean of the probability given
what it saw, so both are calibrated and the noisier one is worse: noise 1.2 gives an AUC of about
0.73, 2.0 about 0.67, 1.0 about 0.746.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LOGIT_MEAN = -1.3
LOGIT_SD = 1.4
CHAMPION_NOISE = 1.2
WORSE_NOISE = 2.0
BETTER_NOISE = 1.0

_GRID_STEPS = 4_001
_GRID_SDS = 9.0


@dataclass(frozen=True, slots=True)
class SimulatedPairs:
    """Predictions of two models for the same customers, and what became true; equal shapes."""

    champion: Floats
    challenger: Floats
    left: npt.NDArray[np.bool_]
    chance: Floats
    """The true probability of leaving."""


def simulate_pairs(
    shape: int | tuple[int, ...],
    rng: np.random.Generator,
    *,
    champion_noise: float = CHAMPION_NOISE,
    challenger_noise: float = CHAMPION_NOISE,
    challenger_shift: float = 0.0,
) -> SimulatedPairs:
    """Independent customers.

    Parameters
    ----------
    shape : of every array that is returned
    champion_noise, challenger_noise : sd of what each model adds to the true logit, above 0
    challenger_shift : added to the logit of the challenger's probability: a model that is off
    """
    logit = rng.normal(LOGIT_MEAN, LOGIT_SD, shape)
    chance = 1 / (1 + np.exp(-logit))
    champion = posterior_mean(logit + rng.normal(0, champion_noise, shape), champion_noise)
    challenger = posterior_mean(logit + rng.normal(0, challenger_noise, shape), challenger_noise)
    if challenger_shift:
        odds = challenger / (1 - challenger) * math.exp(challenger_shift)
        challenger = odds / (1 + odds)
    left = rng.random(shape) < chance
    return SimulatedPairs(champion=champion, challenger=challenger, left=left, chance=chance)


def posterior_mean(seen: Floats, noise: float) -> Floats:
    """The probability of leaving given the logit that a model saw.

    Parameters
    ----------
    seen : any shape
    noise : sd of what was added to the true logit

    Returns
    -------
    probability : the same shape, in (0, 1); accurate to 1e-5
    """
    at, means = _posterior(noise)
    return np.interp(seen, at, means)


def expected_brier(noise: float) -> float:
    """The Brier score that a calibrated model with this noise has in the long run."""
    p, weights = _scores(noise)
    return float(weights @ (p * (1 - p)))


def expected_profit(noise: float, *, threshold: float, leaver: float, stayer: float) -> float:
    """Profit per customer when those at or above the threshold are contacted.

    Parameters
    ----------
    leaver, stayer : what contacting one of each earns
    """
    p, weights = _scores(noise)
    return float(weights @ np.where(p >= threshold, p * leaver + (1 - p) * stayer, 0.0))


def _scores(noise: float) -> tuple[Floats, Floats]:
    """A model's probabilities and how likely each is."""
    sd = math.hypot(LOGIT_SD, noise)
    seen = np.linspace(LOGIT_MEAN - 8 * sd, LOGIT_MEAN + 8 * sd, 200_001)
    density = np.exp(-0.5 * ((seen - LOGIT_MEAN) / sd) ** 2)
    return posterior_mean(seen, noise), density / density.sum()


@cache
def _posterior(noise: float) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    kept = LOGIT_SD**2 / (LOGIT_SD**2 + noise**2)
    reach = _GRID_SDS * math.hypot(LOGIT_SD, noise)
    seen = np.linspace(LOGIT_MEAN - reach, LOGIT_MEAN + reach, _GRID_STEPS)
    centre = LOGIT_MEAN + kept * (seen - LOGIT_MEAN)
    logits = centre[:, None] + math.sqrt(kept) * noise * nodes
    return seen, (1 / (1 + np.exp(-logits))) @ (weights / weights.sum())
