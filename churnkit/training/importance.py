"""What a model would lose without a column: permutation importance (Breiman 2001)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from churnkit.domain.evaluation import Estimate
from churnkit.measures.bootstrap import roc_auc

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_REPEATS = 20
_ROWS = 2_000
_CELLS = 4_000_000
_MANY = 60
"""With more columns, a first look decides which are measured well."""


def permutation_importance(
    margin: Callable[[Floats], Floats],
    X: Floats,
    left: Bools,
    names: Sequence[str],
    *,
    seed: int,
) -> dict[str, Estimate]:
    """Loss of ROC AUC on the test set when a raw column is shuffled, the largest first.

    Each repeat draws customers with replacement and shuffles the column among them, so the
    interval (of the repeats' percentiles) holds both kinds of chance. Columns that say the same
    share their importance: shuffling one of them leaves the other.

    Parameters
    ----------
    margin : from encoded rows (n, n_inputs) to anything that ranks them, shape (n,)
    X : encoded test rows; at most 2,000 are used
    left : shape (n,)
    names : the raw columns, in the order of X
    """
    rng = np.random.default_rng(seed)
    if len(X) > _ROWS:
        rows = rng.permutation(len(X))[:_ROWS]
        X, left = X[rows], left[rows]
    columns = list(range(len(names)))
    if len(columns) > _MANY:
        few = X[: _ROWS // 4], left[: _ROWS // 4]
        whole = margin(few[0])
        losses = {i: _losses(margin, *few, i, 1, rng, whole)[0] for i in columns}
        columns = sorted(columns, key=lambda i: -losses[i])[:_MANY]
    found: dict[str, Estimate] = {}
    whole = margin(X)
    for i in columns:
        losses_here = _losses(margin, X, left, i, _REPEATS, rng, whole)
        low, high = np.quantile(losses_here, [0.025, 0.975])
        found[names[i]] = Estimate(
            value=float(losses_here.mean()), low=float(low), high=float(high)
        )
    return dict(sorted(found.items(), key=lambda pair: -pair[1].value))


def _losses(
    margin: Callable[[Floats], Floats],
    X: Floats,
    left: Bools,
    column: int,
    repeats: int,
    rng: np.random.Generator,
    whole: Floats,
) -> Floats:
    n = len(X)
    orders, draws = np.empty((repeats, n), dtype=np.int64), np.empty((repeats, n))
    for i in range(repeats):
        orders[i] = rng.permutation(n)
        draws[i] = np.bincount(rng.integers(0, n, n), minlength=n)
    losses = []
    # Several repeats in one call: a model takes longer to be asked than to answer some rows.
    at_once = max(1, _CELLS // max(1, X.size))
    for start in range(0, repeats, at_once):
        some = orders[start : start + at_once]
        shuffled = np.tile(X, (len(some), 1))
        shuffled[:, column] = X[some.ravel(), column]
        margins = margin(shuffled).reshape(len(some), n)
        for one, drawn in zip(margins, draws[start:, None], strict=False):
            loss = roc_auc(left, whole)(drawn) - roc_auc(left, one)(drawn)
            losses.append(float(np.nan_to_num(loss[0])))
    return np.asarray(losses)
