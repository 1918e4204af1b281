"""From a margin to a probability, the same as scikit-learn's calibrators to 1e-12.

Sigmoid (Platt, 1999): ``1 / (1 + exp(a·m + b))``. Isotonic (Zadrozny and Elkan, 2002): linear
interpolation between thresholds, clipped outside of them.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from churnkit.errors import BundleUnreadable

Floats = NDArray[np.float64]
_LARGEST_EXPONENT = 709.0  # exp overflows a float64 above this


class Calibration(Protocol):
    """A monotone map from margins to probabilities."""

    def one(self, margin: float) -> float:
        """The probability for one margin."""

    def many(self, margins: Floats) -> Floats:
        """The probabilities for margins of shape (n,)."""

    def slope(self, margin: float) -> float:
        """The derivative at a margin; at a corner, the mean of both sides."""

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``calibration_from_json``."""


class Sigmoid:
    """``1 / (1 + exp(a·m + b))``; ``a`` is negative for a model that ranks well."""

    def __init__(self, a: float, b: float) -> None:
        self.a = a
        self.b = b

    def one(self, margin: float) -> float:
        exponent = self.a * margin + self.b
        if exponent > _LARGEST_EXPONENT:
            return math.exp(-exponent)
        return 1.0 / (1.0 + math.exp(exponent))

    def many(self, margins: Floats) -> Floats:
        exponent = self.a * margins + self.b
        with np.errstate(over="ignore", under="ignore"):
            result: Floats = np.where(
                exponent > _LARGEST_EXPONENT, np.exp(-exponent), 1.0 / (1.0 + np.exp(exponent))
            )
        return result

    def slope(self, margin: float) -> float:
        p = self.one(margin)
        return -self.a * p * (1.0 - p)

    def to_json(self) -> dict[str, Any]:
        return {"method": "sigmoid", "a": self.a, "b": self.b}


class Isotonic:
    """Linear interpolation between thresholds x (rising) with values y (not falling)."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self._x = np.ascontiguousarray(x, dtype=np.float64)
        self._y = np.ascontiguousarray(y, dtype=np.float64)
        self._x_list: list[float] = self._x.tolist()
        self._y_list: list[float] = self._y.tolist()

    def one(self, margin: float) -> float:
        x, y = self._x_list, self._y_list
        if margin <= x[0]:
            return min(y[0], 1.0)
        if margin >= x[-1]:
            return min(y[-1], 1.0)
        j = bisect.bisect_right(x, margin) - 1
        # The order of operations is numpy.interp's, which scikit-learn's own predict reaches.
        slope = (y[j + 1] - y[j]) / (x[j + 1] - x[j])
        return min(slope * (margin - x[j]) + y[j], 1.0)

    def many(self, margins: Floats) -> Floats:
        return np.minimum(np.interp(margins, self._x, self._y), 1.0)

    def slope(self, margin: float) -> float:
        x, y = self._x_list, self._y_list
        right = bisect.bisect_right(x, margin)
        left = bisect.bisect_left(x, margin)
        return 0.5 * (self._segment(x, y, left) + self._segment(x, y, right))

    @staticmethod
    def _segment(x: list[float], y: list[float], end: int) -> float:
        if end <= 0 or end >= len(x):
            return 0.0
        return (y[end] - y[end - 1]) / (x[end] - x[end - 1])

    def to_json(self) -> dict[str, Any]:
        return {"method": "isotonic", "x": self._x_list, "y": self._y_list}


def calibration_from_sklearn(calibrator: Any) -> Calibration:
    """The same map as a fitted ``_SigmoidCalibration`` or ``IsotonicRegression``.

    Raises
    ------
    BundleUnreadable : another kind of calibrator
    """
    if hasattr(calibrator, "a_") and hasattr(calibrator, "b_"):
        return Sigmoid(float(calibrator.a_), float(calibrator.b_))
    if hasattr(calibrator, "X_thresholds_") and calibrator.out_of_bounds == "clip":
        return Isotonic(
            np.asarray(calibrator.X_thresholds_, dtype=np.float64),
            np.asarray(calibrator.y_thresholds_, dtype=np.float64),
        )
    raise BundleUnreadable(
        f"the calibration {type(calibrator).__name__} is not known.",
        fix="Train with sigmoid or isotonic calibration.",
    )


def calibration_from_json(content: Mapping[str, Any]) -> Calibration:
    """The calibration that ``to_json`` wrote.

    Raises
    ------
    BundleUnreadable : not what ``to_json`` writes
    """
    try:
        if content["method"] == "sigmoid":
            a, b = float(content["a"]), float(content["b"])
            if math.isfinite(a) and math.isfinite(b):
                return Sigmoid(a, b)
        elif content["method"] == "isotonic":
            x = np.asarray(content["x"], dtype=np.float64)
            y = np.asarray(content["y"], dtype=np.float64)
            if (
                x.ndim == 1
                and x.shape == y.shape
                and len(x) > 0
                and np.isfinite(x).all()
                and np.isfinite(y).all()
                and (np.diff(x) > 0).all()
            ):
                return Isotonic(x, y)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable() from error
    raise _unreadable()


def _unreadable() -> BundleUnreadable:
    return BundleUnreadable(
        "the calibration is damaged.",
        fix="Restore the bundle from a backup, or train again.",
        field="calibration",
    )
