"""Figures of a scored test set, and their intervals by resampling customers.

Each round draws as many groups as there are, with replacement (Efron 1979); rows of a group stay
together, since they are not independent. The interval is that of the percentiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from churnkit.domain.evaluation import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Figure = Callable[[Floats], Floats]
"""From weights of shape (n_rounds, n) to figures of shape (n_rounds,) or (n_rounds, k)."""

_CELLS = 4_000_000
"""Weights held at once: 32 MB."""
_TINY = 1e-15


def bootstrap_weights(groups: Ints, *, rounds: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn in each round, in blocks of rounds: shape (block, n)."""
    members = np.unique(groups, return_inverse=True)[1]
    n_groups = int(members.max()) + 1
    block = max(1, _CELLS // len(groups))
    rng = np.random.default_rng(seed)
    for start in range(0, rounds, block):
        size = min(block, rounds - start)
        counts = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=size)
        yield counts[:, members].astype(np.float64)


def estimates(
    figures: dict[str, Figure], groups: Ints, *, rounds: int, seed: int
) -> dict[str, Estimate]:
    """Each figure on the whole set, with its 95 % interval."""
    many = many_estimates(
        {name: _column(figure) for name, figure in figures.items()},
        groups,
        rounds=rounds,
        seed=seed,
    )
    return {name: found[0] for name, found in many.items()}


def many_estimates(
    figures: dict[str, Figure], groups: Ints, *, rounds: int, seed: int
) -> dict[str, list[Estimate]]:
    """The same for figures that are several numbers, shape (n_rounds, k)."""
    whole = np.ones((1, len(groups)))
    values = {name: figure(whole)[0] for name, figure in figures.items()}
    drawn: dict[str, list[Floats]] = {name: [] for name in figures}
    for weights in bootstrap_weights(groups, rounds=rounds, seed=seed):
        for name, figure in figures.items():
            drawn[name].append(figure(weights))
    found: dict[str, list[Estimate]] = {}
    for name, parts in drawn.items():
        low, high = np.nanquantile(np.concatenate(parts), [0.025, 0.975], axis=0)
        found[name] = [
            # A figure that cannot be below 0, such as the ECE, grows by resampling: the interval
            # is widened to hold what was measured.
            Estimate(value=float(v), low=float(min(a, v)), high=float(max(b, v)))
            for v, a, b in zip(values[name], low, high, strict=True)
        ]
    return found


def _column(figure: Figure) -> Figure:
    return lambda weights: figure(weights)[:, None]


def roc_auc(left: Bools, p: Floats) -> Figure:
    """Area under the ROC curve; ties count half. NaN where a round drew one class only."""
    area = roc_area(p)
    churned = left.astype(np.float64)
    return lambda weights: area(weights * churned, weights * (1 - churned))


def roc_area(p: Floats) -> Callable[[Floats, Floats], Floats]:
    """The area from how much of each row churned, and how much stayed; ties count half.

    Parameters
    ----------
    p : shape (n,), scores

    Returns
    -------
    area : from two arrays of shape (n_rounds, n), >= 0, to shape (n_rounds,); NaN where one of
        them is nothing
    """
    order = np.argsort(p, kind="stable")
    starts = np.unique(p[order], return_index=True)[1]

    def area(churned: Floats, stayed: Floats) -> Floats:
        pos = np.add.reduceat(churned[:, order], starts, axis=1)
        neg = np.add.reduceat(stayed[:, order], starts, axis=1)
        below = np.cumsum(neg, axis=1) - neg
        pairs = pos.sum(axis=1) * neg.sum(axis=1)
        found = (pos * (below + neg / 2)).sum(axis=1)
        return np.where(pairs > 0, found / np.maximum(pairs, _TINY), np.nan)

    return area


def average_precision(left: Bools, p: Floats) -> Figure:
    """Precision at each threshold, weighted by the recall that it adds."""
    order = np.argsort(-p, kind="stable")
    starts = np.unique(-p[order], return_index=True)[1]
    churned = left[order].astype(np.float64)

    def figure(weights: Floats) -> Floats:
        w = weights[:, order]
        pos = np.add.reduceat(w * churned, starts, axis=1)
        flagged = np.cumsum(np.add.reduceat(w, starts, axis=1), axis=1)
        precision = np.cumsum(pos, axis=1) / np.maximum(flagged, _TINY)
        total = pos.sum(axis=1)
        area = (pos * precision).sum(axis=1)
        return np.where(total > 0, area / np.maximum(total, _TINY), np.nan)

    return figure


def mean_of(each: Floats) -> Figure:
    """The weighted mean of one number per row."""
    return lambda weights: (weights @ each) / weights.sum(axis=1)


def calibration_bins(p: Floats, n_bins: int) -> Ints:
    """Each row's bin, shape (n,): equally many rows per bin, equal scores together."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return np.searchsorted(edges, p, side="left").astype(np.int64)


def expected_calibration_error(left: Bools, p: Floats, n_bins: int = 10) -> Figure:
    """Mean absolute gap between mean probability and rate within bins of equally many rows.

    Naeini et al. (2015), with quantile bins.
    """
    bins = calibration_bins(p, n_bins)
    indicator = (bins[:, None] == np.arange(int(bins.max()) + 1)).astype(np.float64)
    gap = indicator * (left.astype(np.float64) - p)[:, None]
    return lambda weights: np.abs(weights @ gap).sum(axis=1) / weights.sum(axis=1)


def chance_ece(p: Floats, n_bins: int = 10, *, rounds: int = 200, seed: int = 0) -> float:
    """The mean ECE of a perfectly calibrated model with these probabilities: it is not 0."""
    rng = np.random.default_rng(seed)
    bins = calibration_bins(p, n_bins)
    k = int(bins.max()) + 1
    total = 0.0
    for _ in range(rounds):
        gap = (rng.random(len(p)) < p) - p
        total += float(np.abs(np.bincount(bins, weights=gap, minlength=k)).sum()) / len(p)
    return total / rounds
