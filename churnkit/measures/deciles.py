"""Customers in tenths by score: how much churn each holds."""

from __future__ import annotations

import numpy as np

from churnkit.domain.evaluation import Decile
from churnkit.measures.bootstrap import Bools, Floats, Ints, many_estimates

_SMALLEST = 1e-15


def deciles(left: Bools, p: Floats, groups: Ints, *, rounds: int, seed: int) -> tuple[Decile, ...]:
    """The tenths, riskiest first, with the intervals of their lift and capture.

    Parameters
    ----------
    left : shape (n,), who left
    p : shape (n,), in [0, 1]
    groups : shape (n,); rows of one group are resampled together
    rounds : bootstrap rounds
    """
    n = len(p)
    tenth = np.empty(n, dtype=np.int64)
    tenth[np.argsort(-p, kind="stable")] = np.arange(n) * 10 // n
    member = (tenth[:, None] == np.arange(int(tenth.max()) + 1)).astype(np.float64)
    churned = member * left[:, None]

    def lift(weights: Floats) -> Floats:
        rate = (weights @ churned) / np.maximum(weights @ member, _SMALLEST)
        overall = (weights @ left.astype(np.float64)) / weights.sum(axis=1)
        return np.asarray(rate / np.maximum(overall, _SMALLEST)[:, None])

    def capture(weights: Floats) -> Floats:
        found = weights @ churned
        return np.asarray(
            np.cumsum(found, axis=1) / np.maximum(found.sum(axis=1), _SMALLEST)[:, None]
        )

    told = many_estimates({"lift": lift, "capture": capture}, groups, rounds=rounds, seed=seed)
    return tuple(
        Decile(
            decile=i + 1,
            n=int(member[:, i].sum()),
            mean_probability=float(p[tenth == i].mean()),
            rate=float(left[tenth == i].mean()),
            lift=told["lift"][i],
            capture=told["capture"][i],
        )
        for i in range(member.shape[1])
    )
