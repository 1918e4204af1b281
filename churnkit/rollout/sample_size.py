"""How many customers an experiment takes, before it begins. No guarantee is claimed.

The fixed-sample size is the usual one of two independent shares, which is right for one look at the
planned end and for no other. The sequential size is simulated: the very bounds that are read off a
running experiment, looked at again and again, on customers whose churn score has the given
correlation with their outcome.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from churnkit.rollout.bets import fractions
from churnkit.rollout.difference import difference_bets, difference_limit

Floats = npt.NDArray[np.float64]

_LOOKS = 400
_MOST = 10**12
"""Customers; more than that is nobody's base."""
REACH = 8.0
"""Sequential experiments are simulated up to so many times the fixed-sample size."""


class Scenario(NamedTuple):
    """What is planned for."""

    retention: float
    """Share of the control who stay, in (0, 1)."""
    effect: float
    """What the arm adds to it."""
    share: float
    """Probability of the arm, of the arm and the control together."""
    alpha: float
    """Two-sided."""
    power: float
    correlation: float = 0.0
    """Between the churn score and the outcome; what CUPED takes away is its square."""


def fixed_size(plan: Scenario) -> int:
    """Customers in both arms together for one look at the end (two-sided z-test).

    Source: Fleiss, Levin & Paik (2003, "Statistical methods for rates and proportions"), with the
    variance of a regression's residuals where a score is used.
    """
    normal = NormalDist()
    treated = plan.retention + plan.effect
    variance = (
        treated * (1 - treated) / plan.share
        + plan.retention * (1 - plan.retention) / (1 - plan.share)
    ) * (1 - plan.correlation**2)
    quantiles = normal.inv_cdf(1 - plan.alpha / 2) + normal.inv_cdf(plan.power)
    return max(2, math.ceil(variance * (quantiles / plan.effect) ** 2))


class SequentialSize(NamedTuple):
    """When simulated experiments are decided."""

    customers: int | None
    """By then a share ``power`` of them is; None: beyond reach."""
    median: int | None
    reach: int


def sequential_size(
    plan: Scenario, *, smallest_effect: float, simulations: int = 2_000, seed: int = 0
) -> SequentialSize:
    """When the bounds leave 0 behind, looked at ``_LOOKS`` times on the way.

    Parameters
    ----------
    smallest_effect : of the experiment's plan: decides the bets
    simulations : how many experiments
    """
    reach = math.ceil(REACH * fixed_size(plan._replace(correlation=0.0)))
    if reach > _MOST:
        return SequentialSize(None, None, reach)
    rng = np.random.default_rng(seed)
    steps = np.diff(np.linspace(0, reach, _LOOKS + 1).round().astype(np.int64))
    chances, values = _cells(plan)
    gains = np.log1p(np.multiply.outer(values / difference_limit(plan.share), fractions()))
    bets = difference_bets(smallest_effect, plan.share).weights()
    need = -math.log(plan.alpha / 2)
    decided = np.full(simulations, np.inf)
    capital = np.zeros((simulations, len(bets)))
    seen = 0
    for step in steps.tolist():
        seen += step
        capital += rng.multinomial(step, chances, size=simulations) @ gains
        top = capital.max(axis=1)
        evidence = top + np.log(np.exp(capital - top[:, None]) @ bets)
        decided[(evidence >= need) & np.isinf(decided)] = seen
        if np.mean(np.isfinite(decided)) >= max(plan.power, 0.5):
            break
    ordered = np.sort(decided)

    def by(part: float) -> int | None:
        value = ordered[min(math.ceil(part * simulations) - 1, simulations - 1)]
        return int(value) if np.isfinite(value) else None

    return SequentialSize(by(plan.power), by(0.5), reach)


def _cells(plan: Scenario) -> tuple[Floats, Floats]:
    """Chances and differences of customers by score, arm and outcome, once the offsets are settled.

    The score says of two groups how many stay, such that it has the correlation with the outcome.
    """
    groups = _groups(plan.retention, plan.correlation)
    chances, values = [], []
    for part, stays in groups:
        treated = min(max(stays + plan.effect, 0.0), 1.0)
        offset = (1 - plan.share) * treated + plan.share * stays
        for arm, chance, sign in (
            (plan.share, treated, 1 / plan.share),
            (1 - plan.share, stays, -1 / (1 - plan.share)),
        ):
            chances += [part * arm * chance, part * arm * (1 - chance)]
            values += [sign * (1 - offset), sign * (0 - offset)]
    return np.array(chances) / math.fsum(chances), np.array(values)


def _groups(retention: float, correlation: float) -> tuple[tuple[float, float], ...]:
    """Two groups of customers: how many, and how many of them stay."""
    if correlation == 0:
        return ((1.0, retention),)
    spread = abs(correlation) * math.sqrt(retention * (1 - retention))
    if spread <= min(retention, 1 - retention):
        return ((0.5, retention - spread), (0.5, retention + spread))
    # More than two equal groups can show: one of them is sure.
    rare = min(retention, 1 - retention)
    odds = correlation**2 * (1 - rare) / rare
    sure = odds / (1 + odds)  # all of the frequent outcome
    other = 1 - rare / (1 - sure)
    if retention >= 0.5:
        return ((sure, 1.0), (1 - sure, other))
    return ((sure, 0.0), (1 - sure, 1 - other))
