"""The empirical-Bernstein confidence sequence, for the running conditional mean.

For X >= -1 and the prediction 0 of every X (a paired difference is small), exp(λX - X²ψ(λ)) is at
most 1 + λX, where ψ(λ) = -log(1 - λ) - λ; so ∑(Xᵢ - μᵢ) is sub-exponential in the variance process
V = ∑Xᵢ² (Howard et al. 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
theorem 4). A gamma prior on 1 - λ, cut off at 1, gives a capital in closed form (their gamma-
exponential mixture). With s = ∑Xᵢ - n·m, a = ρ, A = V + ρ and B = s + V + ρ:

    capital = a^a / γ(a, a) · exp(s + V) · γ(A, B) / B^A,   γ the lower incomplete gamma function.

It asks for more observations than betting, because ψ covers the worst X of its size; it is here as
the simple alternative that depends on three sums only.
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

_STEPS = 40


class BernsteinState(Frozen):
    """All that is remembered: how many, and two sums in units of the limit."""

    limit: float = 1.0
    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, values: Floats) -> BernsteinState:
        """The state with more observations in it.

        Raises
        ------
        EvidenceInvalid : a value is not a number in [-limit, limit]
        """
        x = np.asarray(values, dtype=np.float64) / self.limit
        if not (np.abs(x) <= 1 + 1e-9).all():
            raise EvidenceInvalid(
                f"a difference is not a number in [{-self.limit:g}, {self.limit:g}]."
            )
        return BernsteinState(
            limit=self.limit,
            n=self.n + len(x),
            total=self.total + float(x.sum()),
            squares=self.squares + float(x @ x),
        )

    def log_evidence(self, mean: float, *, side: Side, tight_at: float = 30.0) -> float:
        """Log of the capital against "the running mean is at most ``mean``" (below: at least).

        Parameters
        ----------
        tight_at : sum of squares, in units of limit², at which the bounds are narrowest
        """
        sign = 1.0 if side == "above" else -1.0
        deviation = sign * (self.total - self.n * mean / self.limit)
        return float(_log_capital(np.array(deviation), np.array(self.squares), tight_at))

    def lower(self, alpha: float) -> float:
        """What the running mean is above, at all times with probability 1 - alpha."""
        return self._bound("above", alpha)

    def upper(self, alpha: float) -> float:
        """What the running mean is below, at all times with probability 1 - alpha."""
        return -self._bound("below", alpha)

    def _bound(self, side: Side, alpha: float) -> float:
        sign = 1.0 if side == "above" else -1.0
        low, high = -1.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            capital = self.log_evidence(sign * middle * self.limit, side=side)
            low, high = (middle, high) if capital >= -math.log(alpha) else (low, middle)
        return low * self.limit


def log_evidence_paths(
    x: Floats, mean: Floats | float = 0.0, *, limit: float = 1.0, tight_at: float = 30.0
) -> Floats:
    """``BernsteinState.log_evidence`` (side above) after every observation, for many sequences.

    Parameters
    ----------
    x : shape (..., n), in [-limit, limit]; for the side below give -x and -mean
    mean : broadcastable to x
    """
    x = np.asarray(x, dtype=np.float64) / limit
    count = np.arange(1, x.shape[-1] + 1)
    deviation = np.cumsum(x, axis=-1) - count * np.asarray(mean, dtype=np.float64) / limit
    return _log_capital(deviation, np.cumsum(x * x, axis=-1), tight_at)


def _log_capital(deviation: Floats, squares: Floats, tight_at: float) -> Floats:
    from scipy.special import gammainc, gammaln  # here: importing scipy takes a quarter of a second

    rho = tight_at / (2 * math.log(20) + math.log1p(2 * math.log(20)))
    a, b = squares + rho, deviation + squares + rho
    possible = b > 0
    safe = np.where(possible, b, 1.0)
    with np.errstate(divide="ignore"):  # far below the mean the capital is 0
        inside = np.log(gammainc(a, safe))
    start = rho * math.log(rho) - float(gammaln(rho)) - math.log(float(gammainc(rho, rho)))
    capital = start + deviation + squares + gammaln(a) + inside - a * np.log(safe)
    return np.asarray(np.where(possible, capital, -np.inf))
