"""The fixed bets of which the confidence sequences are mixtures.

Under the hypothesis that the mean of X (in [-1, 1]) is at most m, the capital of who bets the
fixed fraction κ on "above" multiplies by (1 + κX) / (1 + κm) at each X. The best κ is about
(mean - m) / variance, which nobody knows; so the stake is spread over bets, once and for ever,
before the first observation. How it is spread decides how soon a verdict comes, never whether it
is right: great harm is found soonest by bold bets, a small gain by patient ones.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from pydantic import Field

from churnkit.domain.frozen import Frozen

Floats = npt.NDArray[np.float64]

N_BETS = 20


@cache
def fractions() -> Floats:
    """The bets, the same for every sequence: shape (N_BETS,), in (0, 1), geometric."""
    nodes = np.geomspace(0.01, 0.99, N_BETS)
    nodes.setflags(write=False)
    return nodes


class Bets(Frozen):
    """A stake spread over the bets: log-normal around a centre, and a part over all of them.

    The part that is spread evenly (on the log scale) lets a sequence find effects that the
    centre is too bold or too timid for, later.
    """

    centre: float = Field(gt=0, lt=1)
    spread: float = Field(gt=0, le=3)
    """Standard deviation of the bet's logarithm."""
    everywhere: float = Field(0.1, gt=0, le=1)
    """Share of the stake that is spread over all bets."""

    def weights(self) -> Floats:
        """Shape (N_BETS,), adding up to 1."""
        return _weights(self.centre, self.spread, self.everywhere)


@cache
def _weights(centre: float, spread: float, everywhere: float) -> Floats:
    logs = -0.5 * ((np.log(fractions()) - np.log(centre)) / spread) ** 2
    near = np.exp(logs - logs.max())
    weights = (1 - everywhere) * near / near.sum() + everywhere / N_BETS
    weights.setflags(write=False)
    return np.asarray(weights, dtype=np.float64)


PATIENT = Bets(centre=0.3, spread=0.4)
"""For gates: finds a small gain soonest."""

BOLD = Bets(centre=0.75, spread=0.15, everywhere=0.05)
"""For guardrails: finds a clear harm soonest."""
