"""Whose outcome is evidence, when some customers are treated.

The question is what would have become of every customer untreated. Those who happen to be
untreated do not answer it: the champion chose whom to treat, so they are the ones it scored low.
Either a randomised hold-out does, fixed before scoring, whose members are never treated; or all
customers, each untreated one weighted by the inverse of his logged probability of being left
untreated (Horvitz & Thompson 1952), which must be bounded below for the weights to be bounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churnkit.errors import EvidenceInvalid

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


def holdout_weights(in_holdout: Labels) -> Floats:
    """1 for members of the hold-out; NaN (not evidence) for all others.

    Parameters
    ----------
    in_holdout : shape (n,)
    """
    return np.where(np.asarray(in_holdout, dtype=np.bool_), 1.0, np.nan)


def propensity_weights(treated: Labels, treatment_probability: Floats, *, floor: float) -> Floats:
    """Inverse propensities of the untreated, 0 for the treated.

    A customer whose probability of being left untreated is below the floor is NaN (not evidence),
    treated or not: that is known before his outcome is, so it narrows the question to the
    customers that both choices reach, and biases nothing.

    Parameters
    ----------
    treated : shape (n,)
    treatment_probability : shape (n,), as logged when the choice was made, in [0, 1]
    floor : smallest probability of being left untreated that counts, in (0, 1]; the weights are
        at most 1 / floor

    Raises
    ------
    EvidenceInvalid : a probability is not in [0, 1]
    """
    p = np.asarray(treatment_probability, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise EvidenceInvalid(
            "a logged probability of treatment is not in [0, 1].",
            fix="Customers without a logged probability are evidence only in a hold-out.",
        )
    untreated = 1 - p
    weights = np.where(np.asarray(treated, dtype=np.bool_), 0.0, 1 / np.maximum(untreated, floor))
    # 1 - (1 - floor) may fall short of the floor by a rounding error.
    return np.where(untreated < floor * (1 - 1e-12), np.nan, weights)
