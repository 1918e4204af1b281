"""What the challenger gains on one pair, by each metric; above 0 is better than the champion.

Every gain has a limit that the plan fixes before the first outcome, as the confidence sequences
need one.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from churnkit.domain.campaign import ContactTerms

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


def brier_gain(champion: Floats, challenger: Floats, left: Labels) -> Floats:
    """The champion's squared error less the challenger's: in [-1, 1].

    Parameters
    ----------
    champion, challenger : any shape, in [0, 1]
    left : the same shape
    """
    y = np.asarray(left, dtype=np.float64)
    return (champion - y) ** 2 - (challenger - y) ** 2


def log_loss_gain(champion: Floats, challenger: Floats, left: Labels, *, clip: float) -> Floats:
    """The champion's log loss less the challenger's, in nats, probabilities clipped.

    Parameters
    ----------
    clip : probabilities are held in [clip, 1 - clip]; in (0, 0.5)
    """
    p, q = np.clip(champion, clip, 1 - clip), np.clip(challenger, clip, 1 - clip)
    return np.where(left, np.log(q) - np.log(p), np.log1p(-q) - np.log1p(-p))


def log_loss_limit(clip: float) -> float:
    """The largest possible log loss gain."""
    return math.log1p(-clip) - math.log(clip)


def profit_gain(
    champion: Floats,
    challenger: Floats,
    left: Labels,
    *,
    terms: ContactTerms,
    champion_threshold: float,
    challenger_threshold: float,
    cap: float,
    customer_value: Floats | None = None,
) -> Floats:
    """What the challenger's choice of whom to contact earns more than the champion's, capped.

    Where both choose alike the gain is exactly 0.

    Parameters
    ----------
    champion_threshold, challenger_threshold : each contacts from its threshold on
    cap : gains are held in [-cap, cap]; above 0
    customer_value : worth of each customer; None or NaN: that of the terms
    """
    value = np.full(np.shape(left), terms.customer_value)
    if customer_value is not None:
        value = np.where(np.isnan(customer_value), value, customer_value)
    leaver = terms.success_rate * (value - terms.offer_cost) - terms.contact_cost
    each = np.where(left, leaver, terms.stayer)
    more = (challenger >= challenger_threshold).astype(np.int8) - (
        champion >= champion_threshold
    ).astype(np.int8)
    return np.clip(more * each, -cap, cap)


def failure_gain(champion_failed: Labels, challenger_failed: Labels) -> Floats:
    """1 where only the champion failed to answer, -1 where only the challenger did, else 0."""
    return np.asarray(champion_failed, dtype=np.float64) - np.asarray(
        challenger_failed, dtype=np.float64
    )
