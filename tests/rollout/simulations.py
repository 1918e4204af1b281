"""Many rollouts at once, looked at after every label; and how many wrong ones are allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from churnkit.data.simulate_pairs import (
    CHAMPION_NOISE,
    SimulatedPairs,
    expected_brier,
    expected_profit,
    simulate_pairs,
)
from churnkit.domain.campaign import ContactTerms
from churnkit.rollout.bets import Bets
from churnkit.rollout.gains import brier_gain, log_loss_gain, log_loss_limit, profit_gain
from churnkit.rollout.mixture import log_evidence_paths

Floats = npt.NDArray[np.float64]

TERMS = ContactTerms(customer_value=200, contact_cost=1, offer_cost=10, success_rate=0.3)
CLIP = 0.01


@dataclass(frozen=True)
class MetricRule:
    """A metric's gains and their limit."""

    name: str
    limit: float

    def gains(self, made: SimulatedPairs) -> Floats:
        if self.name == "brier":
            return brier_gain(made.champion, made.challenger, made.left)
        if self.name == "log_loss":
            return log_loss_gain(made.champion, made.challenger, made.left, clip=CLIP)
        return profit_gain(
            made.champion,
            made.challenger,
            made.left,
            terms=TERMS,
            champion_threshold=TERMS.threshold,
            challenger_threshold=TERMS.threshold,
            cap=self.limit,
        )

    def expected_gain(self, challenger_noise: float, *, seed: int = 0) -> float:
        """The true mean gain of a challenger with this noise."""
        if self.name == "brier":
            return expected_brier(CHAMPION_NOISE) - expected_brier(challenger_noise)
        if self.name == "profit":
            money = {"threshold": TERMS.threshold, "leaver": TERMS.leaver, "stayer": TERMS.stayer}
            return expected_profit(challenger_noise, **money) - expected_profit(
                CHAMPION_NOISE, **money
            )
        rng = np.random.default_rng(seed)
        made = simulate_pairs(4_000_000, rng, challenger_noise=challenger_noise)
        # The outcome's noise is averaged out: its probability is known.
        chance = made.chance
        left = log_loss_gain(made.champion, made.challenger, np.ones(len(chance), bool), clip=CLIP)
        stays = log_loss_gain(
            made.champion, made.challenger, np.zeros(len(chance), bool), clip=CLIP
        )
        return float((chance * left + (1 - chance) * stays).mean())


METRICS = (
    MetricRule("brier", 1.0),
    MetricRule("log_loss", log_loss_limit(CLIP)),
    MetricRule("profit", TERMS.leaver),
)


def first_verdicts(
    gains: Floats, against: Floats | float, *, bets: Bets, alpha: float, limit: float = 1.0
) -> Floats:
    """At which label each rollout proves that its mean is above ``against``; inf: never.

    Parameters
    ----------
    gains : shape (n_rollouts, n_labels)
    """
    paths = log_evidence_paths(gains, against, bets=bets, limit=limit)
    return first_true(paths >= -math.log(alpha))


def first_true(hits: npt.NDArray[np.bool_]) -> Floats:
    """The first label (from 1) at which a row is true; inf: at none."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1.0, np.inf)


def allowed(n: int, alpha: float) -> int:
    """Most errors among n rollouts that a true error rate of alpha explains, but for 1 in 1,000."""
    return int(stats.binom.ppf(0.999, n, alpha))
