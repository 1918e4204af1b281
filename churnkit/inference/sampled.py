"""Shapley values of any margin by sampled orders, for models without an exact method.

The approximation: columns are switched, in 32 random orders and their reverses, from a
reference row (medians and most frequent categories of the training rows) to the customer's.
Each order's changes add up to the whole difference exactly, so their mean does too; single
values carry the sampling error of 64 orders.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema

Floats = NDArray[np.float64]
_ORDERS = 32
_SEED = 20240229  # fixed: the same customer has the same reasons each time


class SampledShapley:
    """Shapley values against one reference row.

    Parameters
    ----------
    margins : from encoded rows of shape (n, n_inputs) to shape (n,)
    reference : shape (n_inputs,)
    """

    def __init__(self, margins: Callable[[Floats], Floats], reference: Floats) -> None:
        self._margins = margins
        self._reference = reference

    def contributions(self, x: Floats) -> Floats:
        """Shapley values for one encoded row, shape (n_inputs,)."""
        n = len(x)
        generator = np.random.default_rng(_SEED)
        forward = [generator.permutation(n) for _ in range(_ORDERS)]
        orders = np.array([*forward, *(order[::-1] for order in forward)])
        rows = np.tile(self._reference, (len(orders), n + 1, 1))
        for row, order in zip(rows, orders, strict=True):
            for step, column in enumerate(order, start=1):
                row[step:, column] = x[column]
        changes = np.diff(self._margins(rows.reshape(-1, n)).reshape(len(orders), n + 1), axis=1)
        result = np.zeros(n)
        np.add.at(result, orders, changes)
        return result / len(orders)


def reference_row(schema: ModelSchema, background: Floats) -> Floats:
    """Medians of numbers and most frequent categories, shape (n_inputs,): aggregates only."""
    row = np.full(len(schema.inputs), np.nan)
    for j, column in enumerate(schema.inputs):
        known = background[:, j][~np.isnan(background[:, j])]
        if not len(known):
            continue
        if column.kind == "number":
            row[j] = np.median(known)
        else:
            values, counts = np.unique(known, return_counts=True)
            row[j] = values[np.argmax(counts)]
    return row
