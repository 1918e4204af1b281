"""From Shapley values of the margin to probability points.

With margin m, base margin m₀ and calibration g, column i gets
``φᵢ · (g(m) − g(m₀)) / (m − m₀)``: the points add up to ``g(m) − g(m₀)``, and as g never falls,
no sign flips. Where m is m₀ the quotient is g's derivative. An isotonic calibration can be flat
between m₀ and m: then every column has 0 points and the probability is the base probability;
the columns keep the order of their \\|φᵢ\\|.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from churnkit.inference.calibration import Calibration
from churnkit.inference.compile import CompiledModel

Floats = NDArray[np.float64]
_NEAR = 1e-9  # margins closer than this use the derivative; the error is then below 1e-6


def probability_points(phi: Floats, margin: float, base: float, g: Calibration) -> Floats:
    """Points of each column, shape (n_inputs,), as shares of 1 (0.12 is 12 points).

    Parameters
    ----------
    phi : Shapley values that add up to ``margin - base``, shape (n_inputs,)
    margin : the row's margin
    base : the model's base margin
    g : the calibration
    """
    total = float(phi.sum())
    if abs(total) < _NEAR:
        return phi * g.slope(base)
    return phi * ((g.one(margin) - g.one(base)) / total)


def reasons_one(compiled: CompiledModel, x: Floats) -> tuple[Floats, NDArray[np.intp], float]:
    """Points by column, the columns from the strongest to the weakest, and the probability."""
    margin = compiled.engine.margin_one(x)
    phi = compiled.engine.contributions(x)
    points = probability_points(phi, margin, compiled.engine.base_margin, compiled.calibration)
    order = np.argsort(-np.abs(phi), kind="stable")
    return points, order, compiled.calibration.one(margin)
