"""From a said probability to the rate that the newest matured customers had at it.

Logistic: logit(rate) = a + b·logit(p) (Cox 1958), with a wide normal prior around "nothing has
changed" (a = 0, b = 1), so that it exists for cohorts of one class, too. Isotonic: Zadrozny &
Elkan (2002), for cohorts with at least 1,000 churners.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Method = Literal["none", "logistic", "isotonic"]
Recalibration = Callable[[Floats], Floats]
"""From probabilities of shape (n,) to probabilities of shape (n,)."""

_ENOUGH_FOR_ISOTONIC = 1_000
_PRIOR_SD = 5.0
_CLIP = 1e-6
_STEPS = 50


def choose_method(n_positive: int, n: int) -> Method:
    """The richest that the cohort can carry; without a cohort, none."""
    if n == 0:
        return "none"
    fewer = min(n_positive, n - n_positive)
    return "isotonic" if fewer >= _ENOUGH_FOR_ISOTONIC else "logistic"


def recalibrate(p: Floats, left: Bools, weights: Floats, method: Method) -> Recalibration:
    """Fitted on matured customers.

    Parameters
    ----------
    p, left, weights : shape (n,); what was said, what happened, how often a row counts
    """
    if method == "none":
        return lambda q: q
    if method == "isotonic":
        # A third of the time that the service takes to start, for what it may never need.
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        fitted.fit(p, left.astype(np.float64), sample_weight=weights)
        return lambda q: np.asarray(fitted.predict(q), dtype=np.float64)
    a, b = _logistic(_logit(p), left.astype(np.float64), weights)
    return lambda q: np.asarray(expit(a + b * _logit(q)), dtype=np.float64)


def _logistic(x: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    """The mode of the posterior, by Newton's method with halved steps."""
    design = np.stack([np.ones_like(x), x], axis=1)
    prior = np.array([0.0, 1.0])
    beta = prior.copy()

    def loss(value: Floats) -> float:
        margin = design @ value
        fit = weights @ (np.logaddexp(0, margin) - y * margin)
        return float(fit + ((value - prior) ** 2).sum() / (2 * _PRIOR_SD**2))

    now = loss(beta)
    for _ in range(_STEPS):
        said = expit(design @ beta)
        gradient = design.T @ (weights * (said - y)) + (beta - prior) / _PRIOR_SD**2
        curvature = (design * (weights * said * (1 - said))[:, None]).T @ design
        step = np.linalg.solve(curvature + np.eye(2) / _PRIOR_SD**2, gradient)
        share = 1.0
        while (after := loss(beta - share * step)) > now and share > 1e-6:
            share /= 2
        if now - after < 1e-10 * max(abs(now), 1.0):
            break
        beta, now = beta - share * step, after
    return float(beta[0]), float(beta[1])


def _logit(p: Floats) -> Floats:
    clipped = np.clip(p, _CLIP, 1 - _CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float64)
