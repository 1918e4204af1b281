"""How far two distributions are apart: PSI, Kolmogorov–Smirnov, Jensen–Shannon, with bands.

The bands hold at all times at once (docs/statistics.md). They bound the *running mean* of the
stream's shares, so they need no stationarity: with S_t the rows in a bin and μ_t the mean of
their probabilities, exp(λ S_t − t·log(1 + μ_t (e^λ − 1))) is at most a martingale for each λ
(Howard et al. 2021, sub-Bernoulli; the logarithm is concave in μ). The reference's shares have
Clopper–Pearson intervals (1934).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, logsumexp

from churnkit.domain.frozen import Frozen

Floats = npt.NDArray[np.float64]
Bounder = Callable[[Floats, Floats, float], tuple[Floats, Floats]]

_LAMBDAS = np.geomspace(0.002, 4.0, 24)
_GROWTH = np.expm1(_LAMBDAS)
_HALVINGS = 40
_FLOOR = 0.001


class Band(Frozen):
    """A distance: as counted, and where the true one lies at all times."""

    value: float
    low: float
    high: float


class Distances(Frozen):
    """How far a feature's stream is from its reference.

    ``psi`` in nats, >= 0; ``js`` the Jensen–Shannon divergence in nats, in [0, ln 2]; ``ks`` the
    largest difference of cumulative shares, in [0, 1], None where values have no order.
    ``psi_by_chance`` is what PSI is on average when nothing has changed.
    """

    psi: Band
    ks: Band | None
    js: Band
    psi_by_chance: float


def population_stability_index(reference: Floats, current: Floats) -> float:
    """Σ (q − p)·ln(q / p) over bins, in nats, >= 0; shares below 0.001 count as 0.001.

    Without that floor one empty bin makes it infinite.

    Parameters
    ----------
    reference, current : shape (n_bins,), counts
    """
    p, q = (_shares(counts) for counts in (reference, current))
    return float(_psi_terms(p, q).sum())


def jensen_shannon(reference: Floats, current: Floats) -> float:
    """Divergence from the mean of both (Lin 1991), in nats, in [0, ln 2].

    Parameters
    ----------
    reference, current : shape (n_bins,), counts
    """
    p, q = (_shares(counts) for counts in (reference, current))
    return float(_js_terms(p, q).sum())


def kolmogorov_smirnov(reference: Floats, current: Floats) -> float:
    """The largest difference between cumulative shares at the bins' edges, in [0, 1].

    Parameters
    ----------
    reference, current : shape (n_bins,), counts, in the order of the values
    """
    p, q = (np.cumsum(_shares(counts)) for counts in (reference, current))
    return float(np.abs(p - q).max())


def distances(
    reference: list[Floats], current: list[Floats], ordered: list[bool], *, error: float
) -> list[Distances]:
    """Of each feature, with bands.

    Parameters
    ----------
    reference, current : counts per bin, one array of shape (n_bins,) for each feature
    ordered : whether the feature's bins have an order
    error : P(any bound of any feature fails, ever)
    """
    # Bins and cuts between them; two sides, of the reference and of the stream.
    per_side = error / (4 * sum(2 * len(counts) - 1 for counts in reference))
    p = _each(reference, per_side, _fixed_bounds)
    q = _each(current, per_side, running_bounds)
    return [
        _distances(reference[i], current[i], p[i], q[i], ordered=ordered[i])
        for i in range(len(reference))
    ]


def _each(counts: list[Floats], error: float, bounds: Bounder) -> list[tuple[Floats, Floats]]:
    """Low and high ends of each feature's shares, then of its cumulative shares."""
    hits = [np.concatenate([part, np.cumsum(part)[:-1]]) for part in counts]
    n = np.concatenate([np.full(len(h), part.sum()) for h, part in zip(hits, counts, strict=True)])
    low, high = bounds(np.concatenate(hits), n, error)
    ends = np.cumsum([len(h) for h in hits])[:-1]
    return list(zip(np.split(low, ends), np.split(high, ends), strict=True))


def _distances(
    reference: Floats,
    current: Floats,
    p: tuple[Floats, Floats],
    q: tuple[Floats, Floats],
    *,
    ordered: bool,
) -> Distances:
    k = len(reference)
    p_bin, q_bin = (p[0][:k], p[1][:k]), (q[0][:k], q[1][:k])
    psi_low, psi_high = _banded(_psi_terms, p_bin, q_bin)
    js_low, js_high = _banded(_js_terms, p_bin, q_bin)
    ks: Band | None = None
    if ordered:
        value = kolmogorov_smirnov(reference, current)
        apart = np.maximum(p[0][k:] - q[1][k:], q[0][k:] - p[1][k:])
        furthest = np.maximum(p[1][k:] - q[0][k:], q[1][k:] - p[0][k:])
        ks = _band(value, float(max(apart.max(), 0)), float(furthest.max()))
    n, m = max(float(reference.sum()), 1.0), max(float(current.sum()), 1.0)
    used = int(((reference + current) > 0).sum())
    return Distances(
        psi=_band(population_stability_index(reference, current), psi_low, psi_high),
        ks=ks,
        js=_band(jensen_shannon(reference, current), js_low, min(js_high, float(np.log(2)))),
        psi_by_chance=max(used - 1, 0) * (1 / n + 1 / m),
    )


def running_bounds(hits: Floats, n: Floats, error_per_side: float) -> tuple[Floats, Floats]:
    """Bounds of the running mean of each share, valid at all times.

    Parameters
    ----------
    hits, n : shape (k,), rows with it, of how many
    error_per_side : P(one bound fails, ever)

    Returns
    -------
    low, high : shape (k,), in [0, 1]
    """
    low = _running_low(hits, n, error_per_side)
    return low, 1 - _running_low(n - hits, n, error_per_side)


def _running_low(hits: Floats, n: Floats, error: float) -> Floats:
    """The smallest mean that the mixture over λ > 0 does not refute."""
    low, high = np.zeros(len(hits)), np.asarray(hits / np.maximum(n, 1.0), dtype=np.float64)
    limit = np.log(len(_LAMBDAS)) - np.log(error)
    for _ in range(_HALVINGS):
        mean = (low + high) / 2
        log_e = hits[:, None] * _LAMBDAS - n[:, None] * np.log1p(mean[:, None] * _GROWTH)
        refuted = logsumexp(log_e, axis=1) >= limit
        low, high = np.where(refuted, mean, low), np.where(refuted, high, mean)
    return low


def _fixed_bounds(hits: Floats, n: Floats, error: float) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore"):
        low = np.where(hits > 0, betaincinv(np.maximum(hits, 1), n - hits + 1, error), 0.0)
        high = np.where(hits < n, betaincinv(hits + 1, np.maximum(n - hits, 1), 1 - error), 1.0)
    return low, high


def _banded(
    terms: Callable[[Floats, Floats], Floats], p: tuple[Floats, Floats], q: tuple[Floats, Floats]
) -> tuple[float, float]:
    """Bounds of a sum over bins whose terms are 0 at p = q and grow with the distance."""
    # Where the intervals overlap, p = q is possible; else the nearest ends are nearest.
    above = q[0] > p[1]
    below = p[0] > q[1]
    near_p = np.where(above, p[1], p[0])
    near_q = np.where(above, q[0], q[1])
    low = np.where(above | below, terms(near_p, near_q), 0.0).sum()
    high = np.maximum(terms(p[0], q[1]), terms(p[1], q[0])).sum()
    return float(low), float(high)


def _psi_terms(p: Floats, q: Floats) -> Floats:
    p, q = np.maximum(p, _FLOOR), np.maximum(q, _FLOOR)
    return np.asarray((q - p) * (np.log(q) - np.log(p)))


def _js_terms(p: Floats, q: Floats) -> Floats:
    middle = np.maximum((p + q) / 2, 1e-300)
    parts = [np.where(x > 0, x * np.log(np.maximum(x, 1e-300) / middle), 0.0) for x in (p, q)]
    return np.asarray((parts[0] + parts[1]) / 2)


def _shares(counts: Floats) -> Floats:
    return counts / max(float(counts.sum()), 1.0)


def _band(value: float, low: float, high: float) -> Band:
    # Equal but for rounding where a band is nearly a point.
    return Band(value=value, low=min(low, value), high=max(high, value))
