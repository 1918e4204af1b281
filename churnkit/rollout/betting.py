"""A confidence sequence by a bettor who adapts: for a conditional mean that stays the same.

Two strategies. ``kelly`` bets Kelly's fraction for the mean and variance seen so far against one
hypothesis: a test, which needs no guess of how large an effect is. ``plug_in`` bets on both sides
at all times, with bets that shrink as the observations grow: bounds on both sides.

The price is a narrower claim than that of ``mixture``: the bets follow the data, so the bounds
hold for the mean m of values with E[Xᵢ | the past] = m for all i (as with independent draws from
one population), and as tests of "every conditional mean is at most m". A running mean that drifts
is not covered. A bet must not look at the pair that it is placed on either (the two probabilities,
say): unequal bets weight the pairs, and the average gain over all of them is no longer what is
tested.

Source: Waudby-Smith & Ramdas (2023, "Estimating means of bounded random variables by betting"),
whose approximate growth-rate-adaptive and predictable plug-in bets these are, with the capital
written as ∏(1 + κᵢXᵢ)/(1 + κᵢm), so that one sequence of bets serves every m.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid

Floats = npt.NDArray[np.float64]
Side = Literal["above", "below"]
Strategy = Literal["kelly", "plug_in"]

N_MEANS = 401
"""Hypotheses about the mean between -1 and 1 that a sequence keeps its capital against."""

_BOLDEST = 0.9
_PRIOR_VARIANCE = 0.0625
_PRIOR_COUNT = 10
_OPTIMISM = 0.5
"""Standard errors by which Kelly's bettor takes the gap to be larger than it looks: who bets on
the bare estimate bets too little while the estimate is poor."""
_PLUG_IN_LEVEL = 0.05
"""The level at which the plug-in bets would be best; they are valid at every level."""


class BettingState(Frozen):
    """All that the adaptive sequence remembers."""

    limit: float
    against: float
    strategy: Strategy
    n: int
    total: float
    squares: float
    above: float
    """Sum of log(1 + κX / limit) of the bettor on "above"."""
    below: float
    lost_above: tuple[float, ...]
    """Sum of log(1 + κm) for each m of the grid."""
    lost_below: tuple[float, ...]


class BettingSequence:
    """Bounds of the constant conditional mean of values in [-limit, limit].

    Parameters
    ----------
    limit : the largest absolute value that an observation can have
    against : the mean that ``log_evidence`` is about, and that ``kelly`` bets against
    strategy : ``kelly`` bets on the side of ``against`` where the data are; its other bound says
        little
    """

    def __init__(
        self, *, limit: float = 1.0, against: float = 0.0, strategy: Strategy = "kelly"
    ) -> None:
        self.limit = limit
        self.against = against
        self.strategy: Strategy = strategy
        self.n = 0
        self._total = 0.0
        self._squares = 0.0
        self._above = 0.0
        self._below = 0.0
        # Capital falls as m moves away, so a bound between two means is the outer one.
        self._means = np.union1d(np.linspace(-1, 1, N_MEANS), [against / limit])
        self._lost_above = np.zeros(len(self._means))
        self._lost_below = np.zeros(len(self._means))

    def update(self, values: Floats | float) -> None:
        """Take more observations in, one after the other.

        Parameters
        ----------
        values : shape (k,) or one number, in [-limit, limit], in the order of their arrival

        Raises
        ------
        EvidenceInvalid : a value is not a number or beyond the limit; nothing is taken in
        """
        x = np.atleast_1d(np.asarray(values, dtype=np.float64)) / self.limit
        if not (np.abs(x) <= 1 + 1e-9).all():
            raise EvidenceInvalid(
                f"a difference is not a number in [{-self.limit:g}, {self.limit:g}].",
                fix="The limit is part of the plan; it cannot grow during a rollout.",
            )
        x = x.clip(-1, 1)
        totals = self._total + np.concatenate([[0.0], np.cumsum(x)])
        squares = self._squares + np.concatenate([[0.0], np.cumsum(x * x)])
        count = self.n + np.arange(len(x))
        above, below = _bets(
            totals[:-1], squares[:-1], count, self.against / self.limit, self.strategy
        )
        self._above += float(np.log1p(above * x).sum())
        self._below += float(np.log1p(-below * x).sum())
        for bets, lost, sign in ((above, self._lost_above, 1), (below, self._lost_below, -1)):
            placed = bets[bets > 0]
            for start in range(0, len(placed), 4096):
                part = placed[start : start + 4096]
                lost += np.log1p(np.multiply.outer(part, sign * self._means)).sum(axis=0)
        self.n += len(x)
        self._total, self._squares = float(totals[-1]), float(squares[-1])

    def log_evidence(self, *, side: Side = "above") -> float:
        """Log of the capital against "the mean is at most ``against``" (below: at least)."""
        place = int(np.searchsorted(self._means, self.against / self.limit))
        if side == "above":
            return self._above - float(self._lost_above[place])
        return self._below - float(self._lost_below[place])

    def lower(self, alpha: float) -> float:
        """What the mean is above, at all times with probability 1 - alpha."""
        refused = self._above - self._lost_above >= -math.log(alpha)
        return float(self._means[_outer(refused)]) * self.limit

    def upper(self, alpha: float) -> float:
        """What the mean is below, at all times with probability 1 - alpha."""
        refused = self._below - self._lost_below >= -math.log(alpha)
        return float(self._means[::-1][_outer(refused[::-1])]) * self.limit

    def state(self) -> BettingState:
        """What is needed to go on later."""
        return BettingState(
            limit=self.limit,
            against=self.against,
            strategy=self.strategy,
            n=self.n,
            total=self._total,
            squares=self._squares,
            above=self._above,
            below=self._below,
            lost_above=tuple(self._lost_above.tolist()),
            lost_below=tuple(self._lost_below.tolist()),
        )

    @classmethod
    def resume(cls, state: BettingState) -> BettingSequence:
        """The sequence that a state was taken from.

        Raises
        ------
        EvidenceInvalid : the state has another grid of means
        """
        sequence = cls(limit=state.limit, against=state.against, strategy=state.strategy)
        kept, meant = len(state.lost_above), len(sequence._means)
        if kept != meant or len(state.lost_below) != meant:
            raise EvidenceInvalid(
                f"the stored evidence has {kept} means where {meant} are meant.",
                fix="Gather the evidence again from the ledger.",
            )
        sequence.n = state.n
        sequence._total, sequence._squares = state.total, state.squares
        sequence._above, sequence._below = state.above, state.below
        sequence._lost_above = np.array(state.lost_above)
        sequence._lost_below = np.array(state.lost_below)
        return sequence


def log_evidence_paths(
    x: Floats, *, limit: float = 1.0, against: float = 0.0, strategy: Strategy = "kelly"
) -> Floats:
    """``BettingSequence.log_evidence`` (side above) after every observation, for many sequences.

    Parameters
    ----------
    x : shape (..., n), in [-limit, limit]; for the side below give -x and -against
    """
    x = np.asarray(x, dtype=np.float64) / limit
    m = against / limit
    nothing = np.zeros((*x.shape[:-1], 1))
    totals = np.concatenate([nothing, np.cumsum(x, axis=-1)[..., :-1]], axis=-1)
    squares = np.concatenate([nothing, np.cumsum(x * x, axis=-1)[..., :-1]], axis=-1)
    bets, _ = _bets(totals, squares, np.arange(x.shape[-1]), m, strategy)
    return np.asarray(np.cumsum(np.log1p(bets * x) - np.log1p(bets * m), axis=-1))


def _bets(
    totals: Floats,
    squares: Floats,
    count: npt.NDArray[np.int64],
    against: float,
    strategy: Strategy,
) -> tuple[Floats, Floats]:
    """The fractions bet on above and on below, from what was seen before each observation.

    The variance is drawn towards a prior value, and Kelly's mean towards ``against``, while there
    are few observations.

    Parameters
    ----------
    totals, squares : shape (..., n), sums of X and of X² before each observation
    count : shape (n,), how many those are
    """
    mean = (totals + _PRIOR_COUNT * against) / (count + _PRIOR_COUNT)
    square = (squares + _PRIOR_VARIANCE) / (count + 1)
    variance = np.maximum(square - mean**2, 1e-4)
    if strategy == "plug_in":
        following = count + 1
        spread = variance * following * np.log1p(following)
        bets = np.sqrt(2 * math.log(2 / _PLUG_IN_LEVEL) / spread).clip(0, _BOLDEST)
        return bets, bets
    hoped = _OPTIMISM * np.sqrt(variance / (count + 1))
    sides = []
    for sign in (1, -1):
        gap = sign * (mean - against) + hoped
        sides.append((gap / (variance + gap**2)).clip(0, _BOLDEST))
    return sides[0], sides[1]


def _outer(refused: npt.NDArray[np.bool_]) -> int:
    """The last hypothesis of those refused from the first on; 0 when the first one stands."""
    return max(int(np.argmin(refused)) - 1, 0) if not refused.all() else len(refused) - 1
