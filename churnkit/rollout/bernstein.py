"""The empirical-Bernstein confidence sequence: closed form, for the running conditional mean.

For X in an interval of length c, and any prediction of X made before it is seen, the deviation
∑(Xᵢ - μᵢ) is sub-exponential in the variance process V = ∑(Xᵢ - predictionᵢ)² (Howard et al.
2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences", theorem 4), and stays
below the stitched boundary

    k₁·√(v·ℓ(v)) + c·k₂·ℓ(v),   ℓ(v) = s·log log(ηv/m) + log(ζ(s) / (α·log(η)^s)),

at all times with probability 1 - α, where v = max(V, m), k₁ = (η^¼ + η^-¼)/√2, k₂ = (√η + 1)/2
(their equation 10). It needs several times as many observations as betting does, and is here as
the simple alternative whose arithmetic a person can check.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ETA = 2.0
_S = 1.4
_ZETA = 3.1055472779775806
"""Riemann's zeta at s = 1.4 (a test compares it with scipy's), so that scipy is not imported."""


def stitched_boundary(variance: Floats, *, alpha: float, scale: float, start: float) -> Floats:
    """How far a sub-gamma sum strays above 0, at all times with probability 1 - alpha.

    Parameters
    ----------
    variance : the variance process V, >= 0
    scale : c
    start : m, the variance from which on the boundary is meant to be narrow; above 0
    """
    v = np.maximum(variance, start)
    iterated = _S * np.log(np.log(_ETA * v / start))
    ell = iterated + math.log(_ZETA / (alpha * math.log(_ETA) ** _S))
    k1 = (_ETA**0.25 + _ETA**-0.25) / math.sqrt(2)
    k2 = (math.sqrt(_ETA) + 1) / 2
    return np.asarray(np.sqrt((k1**2) * v * ell + (scale * k2 * ell) ** 2) + scale * k2 * ell)


def bernstein_bounds(
    x: Floats, *, alpha: float, limit: float = 1.0, start: float = 1.0
) -> tuple[Floats, Floats]:
    """Bounds after every observation, for many sequences.

    Each bound by itself holds with probability 1 - alpha; both hold with 1 - 2·alpha.

    Parameters
    ----------
    x : shape (..., n), in [-limit, limit]
    start : variance (in units of limit²) from which on the bounds are meant to be narrow

    Returns
    -------
    lower, upper : shape (..., n), clipped to [-limit, limit]
    """
    x = np.asarray(x, dtype=np.float64) / limit
    count = np.arange(1, x.shape[-1] + 1)
    sums = np.cumsum(x, axis=-1)
    predicted = np.concatenate([np.zeros((*x.shape[:-1], 1)), sums[..., :-1] / count[:-1]], axis=-1)
    variance = np.cumsum((x - predicted) ** 2, axis=-1)
    radius = stitched_boundary(variance, alpha=alpha, scale=2.0, start=start) / count
    mean = sums / count
    return (mean - radius).clip(-1, 1) * limit, (mean + radius).clip(-1, 1) * limit
