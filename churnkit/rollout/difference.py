"""The difference that an arm of an experiment makes, one bounded number per customer.

Of customers who enter one arm or the control, in the order of entry, customer i falls to the arm
(Z = 1) with the known probability π, whatever his outcomes would be. With any offset g that is
known before his draw and his outcome,

    D = (Z/π - (1 - Z)/(1 - π)) · (Y - g)

has as its mean, given all that came before, what the arm changes in his outcome Y; so the running
mean of D estimates the running mean of these effects without bias, and for Y and g in [0, 1] each D
lies within max(1/π, 1/(1 - π)) of 0, as a confidence sequence needs it (``mixture``).

The offset decides the variance, never the validity. It is the mean of the earlier customers'
outcomes and, with CUPED, what their regression on the churn score says of this customer's. The
regression's coefficient is *predictable*: it is computed from earlier customers alone, in the order
of entry, so that no customer's own draw or outcome is in what is taken off his. The score must be
from before the draw: one that the arm can move takes a part of the arm's effect off, or adds one.

Sources: Horvitz & Thompson (1952) and Robins, Rotnitzky & Zhao (1994) for the weighted and the
augmented form; Deng, Xu, Kohavi & Walker (2013, "Improving the sensitivity of online controlled
experiments by utilizing pre-experiment data") for CUPED; Waudby-Smith, Arbour, Sinha, Kennedy &
Ramdas (2024) for predictable augmentation in confidence sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnkit.errors import EvidenceInvalid
from churnkit.rollout.bets import Bets

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_PRIOR_WEIGHT = 4.0
"""Weight of the prior mean of the outcomes, in customers."""
_PRIOR_MEAN = 0.5
_RIDGE = 1.0
"""Added to the sum of squares of the score, so that a few customers give no wild coefficient."""
_SPREAD = 0.7
_TYPICAL_VARIANCE = 0.19
"""Of an outcome in [0, 1] where a quarter leaves."""


@dataclass(frozen=True, slots=True)
class Offsets:
    """What is taken off each outcome; all of shape (..., n)."""

    offset: Floats
    """In [0, 1]; known before the customer's own outcome."""
    coefficient: Floats
    """Of the regression on the score, from the earlier customers; 0 without scores."""


def offsets(
    outcome: Floats, in_arm: Bools, *, share: float, score: Floats | None = None
) -> Offsets:
    """The predictable offsets of customers in the order of entry.

    Parameters
    ----------
    outcome : shape (..., n), in [0, 1]
    in_arm : the same shape; else the customer is in the control
    share : probability of the arm, of the arm and the control together, in (0, 1)
    score : the same shape, fixed before the draw; NaN: none. None: no CUPED
    """
    # The offset of least variance mixes the arms' regressions as (1 - π) : π.
    weight = np.where(in_arm, (1 - share) / share, share / (1 - share))
    mean = _earlier(weight * outcome, _PRIOR_WEIGHT * _PRIOR_MEAN) / _earlier(weight, _PRIOR_WEIGHT)
    if score is None:
        return Offsets(mean.clip(0, 1), np.zeros_like(mean))
    known = ~np.isnan(score)
    x, w = np.where(known, score, 0.0), np.where(known, weight, 0.0)
    total = _earlier(w, 1e-300)
    mean_x = _earlier(w * x) / total
    mean_y = _earlier(w * outcome) / total
    square = _earlier(w * x * x) - total * mean_x**2
    product = _earlier(w * x * outcome) - total * mean_x * mean_y
    coefficient = product / (np.maximum(square, 0.0) + _RIDGE)
    # Until some have a score, the mean of all is the better guess.
    settled = total / (total + _PRIOR_WEIGHT)
    told = settled * mean_y + (1 - settled) * mean + coefficient * (x - mean_x)
    offset = np.where(known & (total > 1e-200), told, mean)
    return Offsets(offset.clip(0, 1), coefficient)


def differences(outcome: Floats, in_arm: Bools, offset: Floats, *, share: float) -> Floats:
    """One number per customer whose conditional mean is the arm's effect on him.

    Parameters
    ----------
    outcome : shape (..., n), in [0, 1]
    in_arm, offset : the same shape
    share : see ``offsets``

    Raises
    ------
    EvidenceInvalid : an outcome is not in [0, 1]
    """
    if not ((outcome >= 0) & (outcome <= 1)).all():
        raise EvidenceInvalid("an experiment's outcome is not in [0, 1].")
    sign = np.where(in_arm, 1 / share, -1 / (1 - share))
    return np.asarray(sign * (outcome - offset))


def difference_limit(share: float) -> float:
    """The largest absolute difference that one customer can give."""
    return max(1 / share, 1 / (1 - share))


def difference_bets(smallest_effect: float, share: float) -> Bets:
    """The stake spread around the bet that finds the smallest effect that matters soonest.

    Kelly's bet on a mean μ of variance v is about μ/v, in units of the limit.

    Parameters
    ----------
    smallest_effect : in (0, 1), of the outcome's range
    """
    limit = difference_limit(share)
    variance = _TYPICAL_VARIANCE / (share * (1 - share)) / limit**2
    centre = smallest_effect / limit / variance
    return Bets(centre=min(max(centre, 0.012), 0.9), spread=_SPREAD)


def variance_saved(adjusted: Floats, plain: Floats) -> float | None:
    """The share of the variance that CUPED takes away; below 0 where it adds some.

    Parameters
    ----------
    adjusted, plain : shape (n,), the same customers' differences with and without the score

    Returns
    -------
    share : None for fewer than two customers, or where nothing varies
    """
    if len(plain) < 2 or (before := float(np.var(plain))) == 0:
        return None
    return 1 - float(np.var(adjusted)) / before


def _earlier(values: Floats, prior: float = 0.0) -> Floats:
    """The sum of what comes before each place, and the prior."""
    sums = np.cumsum(values, axis=-1)
    nothing = np.zeros((*values.shape[:-1], 1))
    return np.asarray(np.concatenate([nothing, sums[..., :-1]], axis=-1) + prior)
