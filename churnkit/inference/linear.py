"""A linear model as one number per column and category, with nothing of scikit-learn in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.errors import BundleUnreadable

Floats = NDArray[np.float64]


class LinearModel:
    """``margin = base + Σ contribution(column)``.

    A number contributes ``slope·(x - anchor)``, or ``missing``; a category the entry of its
    code, or 0 when it is missing.

    Parameters
    ----------
    base : the margin with all numbers at their anchors and all categories missing
    anchors, slopes, missing : shape (n_numbers,)
    tables : one array of contributions for each category column
    means : shape (n_inputs,), the mean contribution on the training rows
    """

    def __init__(
        self,
        base: float,
        anchors: Floats,
        slopes: Floats,
        missing: Floats,
        tables: list[Floats],
        means: Floats,
    ) -> None:
        self.base = base
        self.anchors, self.slopes, self.missing = anchors, slopes, missing
        self.tables, self.means = tables, means
        self.n_inputs = len(anchors) + len(tables)
        self._numbers = list(zip(anchors.tolist(), slopes.tolist(), missing.tolist(), strict=True))
        self._tables: list[list[float]] = [table.tolist() for table in tables]

    @property
    def base_margin(self) -> float:
        """The mean margin of the training rows."""
        return self.base + float(self.means.sum())

    def margin_one(self, x: Floats) -> float:
        """The margin of one encoded row of shape (n_inputs,)."""
        values: list[float] = x.tolist()
        total = self.base
        for (anchor, slope, missing), value in zip(self._numbers, values, strict=False):
            total += missing if value != value else slope * (value - anchor)
        for table, value in zip(self._tables, values[len(self._numbers) :], strict=True):
            if value == value:
                total += table[int(value)]
        return total

    def margins(self, X: Floats) -> Floats:
        """The margins of encoded rows of shape (n, n_inputs)."""
        total = np.full(len(X), self.base)
        for i in range(self.n_inputs):
            total += self._column(X, i)
        return total

    def contributions(self, x: Floats) -> Floats:
        """Shapley values of one row's margin, shape (n_inputs,): distance from the mean."""
        row = x[None, :]
        each = [float(self._column(row, i)[0]) for i in range(self.n_inputs)]
        return np.asarray(np.asarray(each) - self.means)

    def _column(self, X: Floats, i: int) -> Floats:
        values = X[:, i]
        known = ~np.isnan(values)
        n_numbers = len(self.anchors)
        if i < n_numbers:
            each = self.slopes[i] * (values - self.anchors[i])
            return np.where(known, each, self.missing[i])
        table = self.tables[i - n_numbers]
        if not len(table):
            return np.zeros(len(values), dtype=np.float64)
        codes = np.where(known, values, 0).astype(np.int64)
        return np.where(known, table[codes], 0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``linear_from_json``."""
        return {
            "base": self.base,
            "anchors": self.anchors.tolist(),
            "slopes": self.slopes.tolist(),
            "missing": self.missing.tolist(),
            "tables": self._tables,
            "means": self.means.tolist(),
        }


def linear_from_json(content: Mapping[str, Any], schema: ModelSchema) -> LinearModel:
    """The model that ``to_json`` wrote.

    Raises
    ------
    BundleUnreadable : it does not fit to the schema
    """
    try:
        model = LinearModel(
            float(content["base"]),
            np.asarray(content["anchors"], dtype=np.float64),
            np.asarray(content["slopes"], dtype=np.float64),
            np.asarray(content["missing"], dtype=np.float64),
            [np.asarray(table, dtype=np.float64) for table in content["tables"]],
            np.asarray(content["means"], dtype=np.float64),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error
    categories = [column for column in schema.inputs if column.kind == "category"]
    fits = model.n_inputs == len(schema.inputs) == len(model.means) and [
        len(table) for table in model.tables
    ] == [len(column.categories) for column in categories]
    if not fits or not math.isfinite(model.base_margin):
        raise _damaged()
    return model


def probe_linear(
    margin: Callable[[Floats], Floats], schema: ModelSchema, background: Floats
) -> LinearModel:
    """Read a linear model off by asking it: one column at a time, the others at rest.

    Whatever imputes, scales and encodes inside, a model that is a sum over columns is found
    exactly; the parity gate refuses one that is not.

    Parameters
    ----------
    margin : the fitted model's margin, from encoded rows (n, n_inputs) to (n,)
    background : encoded training rows, for anchors and mean contributions
    """
    numbers = [i for i, column in enumerate(schema.inputs) if column.kind != "category"]
    rest = np.full(len(schema.inputs), np.nan)
    low, high = np.zeros(len(numbers)), np.ones(len(numbers))
    for i in numbers:
        known = background[:, i][~np.isnan(background[:, i])]
        if len(known):
            low[i], high[i] = known.min(), known.max()
        if high[i] <= low[i]:
            high[i] = low[i] + max(1.0, abs(low[i]))
        rest[i] = low[i]
    questions = [rest]
    for i in numbers:
        questions += [_with(rest, i, high[i]), _with(rest, i, np.nan)]
    for i, column in enumerate(schema.inputs):
        questions += [_with(rest, i, float(code)) for code in range(len(column.categories))]
    answers = iter(margin(np.asarray(questions)).tolist())
    base = next(answers)
    slopes, missing = np.zeros(len(numbers)), np.zeros(len(numbers))
    for i in numbers:
        slopes[i] = (next(answers) - base) / (high[i] - low[i])
        missing[i] = next(answers) - base
    tables = [
        np.asarray([next(answers) - base for _ in column.categories], dtype=np.float64)
        for column in schema.inputs
        if column.kind == "category"
    ]
    model = LinearModel(base, low, slopes, missing, tables, np.zeros(len(schema.inputs)))
    model.means = np.asarray(
        [model._column(background, i).mean() for i in range(len(schema.inputs))]
    )
    return model


def _with(row: Floats, i: int, value: float) -> Floats:
    changed = row.copy()
    changed[i] = value
    return changed


def _damaged() -> BundleUnreadable:
    return BundleUnreadable(
        "the compiled model does not fit to its schema.",
        fix="Restore the bundle from a backup, or train again.",
        file="compiled.json",
    )
