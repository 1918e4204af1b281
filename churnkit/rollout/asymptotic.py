"""The asymptotic confidence sequence, for money that has no cap.

Values without a known bound allow no guarantee at a finite number of observations. This sequence
is the time-uniform analogue of the central limit theorem's interval: its error tends to alpha as
the first look moves later, for values with more than two moments, also when means and variances
drift. Wherever it is shown it is called approximate, and no gate takes it.

Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024, "Time-uniform central limit theory
and asymptotic confidence sequences"); two-sided theorem 2.2, one-sided appendix B.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid

Floats = npt.NDArray[np.float64]


class MoneyState(Frozen):
    """Count, mean and sum of squared deviations (Welford 1962)."""

    n: int = 0
    mean: float = 0.0
    deviations: float = 0.0


class MoneyBounds(Frozen):
    """An approximate statement about a mean."""

    n: int
    mean: float
    lower: float
    upper: float
    approximate: bool = True


def add_money(state: MoneyState, values: Floats) -> MoneyState:
    """The state with more values in it (Chan et al. 1979).

    Raises
    ------
    EvidenceInvalid : a value is not a finite number
    """
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise EvidenceInvalid("an amount of money is not a finite number.")
    if not len(x):
        return state
    n = state.n + len(x)
    gap = float(x.mean()) - state.mean
    return MoneyState(
        n=n,
        mean=state.mean + gap * len(x) / n,
        deviations=state.deviations
        + float(((x - x.mean()) ** 2).sum())
        + gap**2 * state.n * len(x) / n,
    )


def money_bounds(state: MoneyState, *, alpha: float, tight_at: int = 2_000) -> MoneyBounds:
    """Bounds of the running mean; each by itself holds at about 1 - alpha.

    Parameters
    ----------
    tight_at : number of observations at which the bounds are narrowest, chosen beforehand
    """
    if state.n < 2:
        return MoneyBounds(n=state.n, mean=state.mean, lower=-math.inf, upper=math.inf)
    sd = math.sqrt(state.deviations / state.n)
    radius = sd * float(one_sided_radius(np.array([float(state.n)]), alpha, tight_at)[0])
    return MoneyBounds(
        n=state.n, mean=state.mean, lower=state.mean - radius, upper=state.mean + radius
    )


def one_sided_radius(n: Floats, alpha: float, tight_at: float) -> Floats:
    """Half-width for a variance of 1 after n observations, one side, as n grows."""
    log_inverse = -2 * math.log(2 * alpha)
    rho2 = (log_inverse + math.log(log_inverse + 1)) / tight_at
    grown = n * rho2 + 1
    return np.asarray(np.sqrt(2 * grown / (n**2 * rho2) * np.log1p(np.sqrt(grown) / (2 * alpha))))
