"""A confidence sequence for the running mean, by a mixture of fixed bets.

X₁, X₂, … lie in [-limit, limit]; μᵢ is the mean of Xᵢ given all that came before it, and the
estimand after n observations is the running conditional mean (μ₁ + … + μₙ) / n. It may drift,
the X need not be independent, and the bounds hold at all times together:

    P(there is an n at which lower(n) > running mean(n)) ≤ α

Why. For limit = 1 and a fixed κ in (0, 1), ∏(1 + κXᵢ)/(1 + κμᵢ) is a nonnegative martingale that
starts at 1; so is its mixture over a prior on κ, and by Ville's inequality it ever reaches 1/α
with probability at most α. The geometric mean of the positive 1 + κμᵢ is at most their arithmetic
mean, so ∏(1 + κXᵢ)/(1 + κm)ⁿ with m = the running mean is never above that martingale. What
reaches 1/α at m therefore excludes m. The bets must not depend on the observations for this: a
bettor who adapts is only valid where the conditional mean stays the same (see ``betting``).

Sources: Waudby-Smith & Ramdas (2023, "Estimating means of bounded random variables by betting"),
with the capital of a constant rebalanced portfolio as in Cover (1991); Ville (1939).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid
from churnkit.rollout.bets import BOLD, N_BETS, PATIENT, Bets, fractions

Floats = npt.NDArray[np.float64]
Side = Literal["above", "below"]

_CHUNK = 50_000
_STEPS = 40
"""Halvings of the interval in which a bound is looked for: it is exact to 2e-12 of the limit, and
the end that is reported is the outer one."""


class MeanState(Frozen):
    """All that a sequence remembers; its size does not grow."""

    limit: float
    n: int
    total: float
    """Sum of X / limit."""
    squares: float
    above: tuple[float, ...]
    """Sum of log(1 + κX / limit) for each bet."""
    below: tuple[float, ...]


class MeanSequence:
    """Bounds of the running conditional mean of values in [-limit, limit].

    Parameters
    ----------
    limit : the largest absolute value that an observation can have, known beforehand
    """

    def __init__(self, *, limit: float = 1.0) -> None:
        if not (math.isfinite(limit) and limit > 0):
            raise EvidenceInvalid(f"the limit of a difference must be above 0, not {limit}.")
        self.limit = limit
        self.n = 0
        self._total = 0.0
        self._squares = 0.0
        self._above = np.zeros(N_BETS)
        self._below = np.zeros(N_BETS)

    def update(self, values: Floats | float) -> None:
        """Take more observations in; any number of them, in any order.

        Parameters
        ----------
        values : shape (k,) or one number, in [-limit, limit]

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
        for start in range(0, len(x), _CHUNK):
            steps = np.multiply.outer(x[start : start + _CHUNK], fractions())
            self._above += np.log1p(steps).sum(axis=0)
            self._below += np.log1p(-steps).sum(axis=0)
        self.n += len(x)
        self._total += float(x.sum())
        self._squares += float(x @ x)

    @property
    def mean(self) -> float:
        """Mean of the observations; 0 when there are none."""
        return self.limit * self._total / self.n if self.n else 0.0

    @property
    def sd(self) -> float:
        """Standard deviation of the observations; 0 when there are none."""
        if not self.n:
            return 0.0
        mean = self._total / self.n
        return self.limit * math.sqrt(max(self._squares / self.n - mean**2, 0.0))

    def log_evidence(self, mean: float, *, side: Side, bets: Bets) -> float:
        """Log of the capital against "the running mean is at most ``mean``" (side above).

        It reaches log(1/α) with probability at most α, ever, where the hypothesis holds.

        Parameters
        ----------
        side : ``below``: against "is at least ``mean``"
        """
        sums, sign = (self._above, 1.0) if side == "above" else (self._below, -1.0)
        m = min(max(sign * mean / self.limit, -1.0), 1.0)
        return _mixed(sums - self.n * np.log1p(fractions() * m), bets)

    def lower(self, alpha: float, *, bets: Bets = PATIENT) -> float:
        """What the running mean is above, at all times with probability 1 - alpha."""
        return self._bound("above", alpha, bets)

    def upper(self, alpha: float, *, bets: Bets = BOLD) -> float:
        """What the running mean is below, at all times with probability 1 - alpha."""
        return -self._bound("below", alpha, bets)

    def _bound(self, side: Side, alpha: float, bets: Bets) -> float:
        need = -math.log(alpha)
        sign = 1.0 if side == "above" else -1.0
        low, high = -1.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            capital = self.log_evidence(sign * middle * self.limit, side=side, bets=bets)
            low, high = (middle, high) if capital >= need else (low, middle)
        return low * self.limit

    def state(self) -> MeanState:
        """What is needed to go on later."""
        return MeanState(
            limit=self.limit,
            n=self.n,
            total=self._total,
            squares=self._squares,
            above=tuple(self._above.tolist()),
            below=tuple(self._below.tolist()),
        )

    @classmethod
    def resume(cls, state: MeanState) -> MeanSequence:
        """The sequence that a state was taken from.

        Raises
        ------
        EvidenceInvalid : the state has another number of bets
        """
        if len(state.above) != N_BETS or len(state.below) != N_BETS:
            raise EvidenceInvalid(
                f"the stored evidence has {len(state.above)} bets where {N_BETS} are meant.",
                fix="Gather the evidence again from the ledger.",
            )
        sequence = cls(limit=state.limit)
        sequence.n = state.n
        sequence._total = state.total
        sequence._squares = state.squares
        sequence._above = np.array(state.above)
        sequence._below = np.array(state.below)
        return sequence


def log_evidence_paths(
    x: Floats, mean: Floats | float = 0.0, *, bets: Bets, limit: float = 1.0
) -> Floats:
    """``MeanSequence.log_evidence`` (side above) after every observation, for many sequences.

    Parameters
    ----------
    x : shape (..., n), in [-limit, limit]; for the side below give -x and -mean
    mean : broadcastable to x; after the i-th observation the i-th mean is tested

    Returns
    -------
    log_evidence : shape (..., n)
    """
    x = np.asarray(x, dtype=np.float64) / limit
    m = np.broadcast_to(np.asarray(mean, dtype=np.float64) / limit, x.shape)
    rows, means = x.reshape(-1, x.shape[-1]), m.reshape(-1, x.shape[-1])
    count = np.arange(1, x.shape[-1] + 1)
    constant = np.ndim(mean) == 0
    found = np.empty(rows.shape)
    step = max(1, 200_000 // x.shape[-1])
    logs = np.log(bets.weights())
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        largest = np.full(rows[part].shape, -np.inf)
        capital = np.zeros(rows[part].shape)
        for bet, log_weight in zip(fractions().tolist(), logs.tolist(), strict=True):
            lost = np.log1p(bet * (means[0, 0] if constant else means[part]))
            now = np.cumsum(np.log1p(bet * rows[part]), axis=1) - count * lost + log_weight
            top = np.maximum(largest, now)
            capital = capital * np.exp(largest - top) + np.exp(now - top)
            largest = top
        found[part] = largest + np.log(capital)
    return found.reshape(x.shape)


def _mixed(log_capital: Floats, bets: Bets) -> float:
    """Log of the mixture of capitals, without leaving the log scale."""
    top = float(log_capital.max())
    return top + math.log(float((bets.weights() * np.exp(log_capital - top)).sum()))
