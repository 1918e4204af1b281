"""Which of two models to take when their difference may be chance.

A panel is checked one stride after the dates that it was fitted on, but serves a whole label
window later: the check flatters models that know the past in detail. So the simpler kind wins
unless the other one is better by more than a standard error of the difference (the rule of one
standard error of Breiman, Friedman, Olshen and Stone 1984, on paired losses: the same customers
decide about both).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SIMPLE = "linear"
"""The kind of candidate that counts as simple: one weight for each column."""


def better_by_chance(losses: Floats, simple: Floats, groups: Ints) -> bool:
    """Whether a model's lead over a simpler one is at most one standard error.

    Parameters
    ----------
    losses, simple : shape (n,), the loss of each row, of the model and of the simpler one
    groups : shape (n,); rows of one group are one draw
    """
    lead = simple - losses
    sums = np.bincount(groups, weights=lead)
    sizes = np.bincount(groups)
    sums, sizes = sums[sizes > 0], sizes[sizes > 0]
    n, mean = len(sums), float(lead.mean())
    if n < 2:
        return True
    # The mean of rows is a ratio of sums over groups: its variance by linearisation.
    spread = sums - mean * sizes
    error = float(np.sqrt(n / (n - 1) * np.sum(spread**2))) / float(sizes.sum())
    return mean <= error
