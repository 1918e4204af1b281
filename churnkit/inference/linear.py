"""A linear model as one table per raw column, found by asking the fitted pipeline.

Imputation, scaling and one-hot encoding of single columns leave a logistic regression additive:
its decision function is ``c + Σ h_j(x_j)``, with h_j affine in a number, in its inverse
hyperbolic sine or in both, and a free value for each category and for "missing". Asking for each
of these values gives the tables, whatever the pipeline's steps are called; one point more than
there are weights tests that a number's part really has this form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.errors import BundleUnreadable
from churnkit.inference.pipelines import sklearn_margin

Floats = NDArray[np.float64]
CURVE = "asinh"
_APART = 8.0
_TOLERANCE = 1e-9  # relative to the margins seen; far above rounding, far below a curve


class LinearMargin:
    """``c + Σ h_j(x_j)`` for encoded rows.

    Parameters
    ----------
    intercept : c
    columns : per input either ``{"slope", "offset", "missing"}``, of asinh(x) instead of x where
        ``"curve": "asinh"`` is added, and with ``bend · asinh(x)`` added where there is a
        ``"bend"``; or ``{"codes", "missing"}``
    mean : the mean of each h_j over the training rows; Shapley values are ``h_j(x_j) - mean_j``
    """

    def __init__(self, intercept: float, columns: list[dict[str, Any]], mean: list[float]) -> None:
        self.intercept = intercept
        self.columns = columns
        self.mean = np.array(mean, dtype=np.float64)
        self._mean = mean
        self.base_margin = intercept + math.fsum(mean)
        self._tables = [
            np.array([*column["codes"], column["missing"]], dtype=np.float64)
            if "codes" in column
            else None
            for column in columns
        ]

    def margin_one(self, x: Floats) -> float:
        """The margin of one encoded row of shape (n_inputs,)."""
        return self.margin_of(x.tolist())

    def margin_of(self, row: Sequence[float]) -> float:
        """The margin of one encoded row of n_inputs numbers."""
        return self.intercept + sum(self._parts(row))

    def margins(self, X: Floats) -> Floats:
        """The margins of encoded rows of shape (n, n_inputs)."""
        total = np.full(len(X), self.intercept)
        for j in range(len(self.columns)):
            total += self._part(j, X[:, j])
        return total

    def contributions(self, x: Floats) -> Floats:
        """Shapley values of the margin, shape (n_inputs,)."""
        return np.array(self._parts(x.tolist()), dtype=np.float64) - self.mean

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``from_json``."""
        return {"intercept": self.intercept, "columns": self.columns, "mean": self._mean}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], n_inputs: int) -> LinearMargin:
        """What ``to_json`` wrote.

        Raises
        ------
        BundleUnreadable : not what ``to_json`` writes
        """
        try:
            columns: list[dict[str, Any]] = []
            for column in content["columns"]:
                if "codes" in column:
                    part: dict[str, Any] = {"codes": [float(v) for v in column["codes"]]}
                else:
                    part = {"slope": float(column["slope"]), "offset": float(column["offset"])}
                    if "curve" in column:
                        if column["curve"] != CURVE:
                            raise _damaged()
                        part["curve"] = CURVE
                    if "bend" in column:
                        part["bend"] = float(column["bend"])
                columns.append({**part, "missing": float(column["missing"])})
            mean = [float(v) for v in content["mean"]]
            intercept = float(content["intercept"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged() from error
        if len(columns) != n_inputs or len(mean) != n_inputs:
            raise _damaged()
        return cls(intercept, columns, mean)

    def _parts(self, row: Sequence[float]) -> list[float]:
        parts: list[float] = []
        for value, column in zip(row, self.columns, strict=True):
            if value != value:
                parts.append(column["missing"])
            elif "codes" in column:
                parts.append(column["codes"][int(value)])
            else:
                number = math.asinh(value) if "curve" in column else value
                part = column["slope"] * number + column["offset"]
                parts.append(
                    part + column["bend"] * math.asinh(value) if "bend" in column else part
                )
        return parts

    def _part(self, j: int, values: Floats) -> Floats:
        table, column = self._tables[j], self.columns[j]
        missing = np.isnan(values)
        if table is not None:
            codes = np.where(missing, len(table) - 1, values).astype(np.intp)
            part: Floats = table[codes]
            return part
        numbers = np.arcsinh(values) if "curve" in column else values
        linear: Floats = column["slope"] * numbers + column["offset"]
        if "bend" in column:
            linear = linear + column["bend"] * np.arcsinh(values)
        return np.asarray(np.where(missing, column["missing"], linear), dtype=np.float64)


def probe_linear(pipeline: Any, schema: ModelSchema, background: Floats) -> LinearMargin | None:
    """The tables of a fitted additive pipeline, or None when it is not additive and affine.

    Parameters
    ----------
    background : encoded training rows, shape (n, n_inputs); only means of parts are kept
    """
    reference = _reference(schema, background)
    points = [_points(schema, j, background[:, j]) for j in range(len(schema.inputs))]
    rows = [reference]
    for j, values in enumerate(points):
        for value in values:
            row = reference.copy()
            row[j] = value
            rows.append(row)
    answers = sklearn_margin(pipeline, np.array(rows)).tolist()
    intercept = answers[0]
    tolerance = _TOLERANCE * max(1.0, *(abs(a) for a in answers))
    columns: list[dict[str, Any]] = []
    at = 1
    for column, values in zip(schema.inputs, points, strict=True):
        parts = [a - intercept for a in answers[at : at + len(values)]]
        at += len(values)
        if column.kind == "category":
            columns.append({"codes": parts[1:], "missing": parts[0]})
            continue
        line = _line(values[1:], parts[1:], tolerance)
        if line is None:
            return None
        columns.append({**line, "missing": parts[0]})
    margin = LinearMargin(intercept, columns, [0.0] * len(columns))
    if np.abs(margin.margins(background) - sklearn_margin(pipeline, background)).max() > tolerance:
        return None
    mean = [float(margin._part(j, background[:, j]).mean()) for j in range(len(columns))]
    return LinearMargin(intercept, columns, mean)


def _line(at: list[float], parts: list[float], tolerance: float) -> dict[str, Any] | None:
    """The simplest form that meets all points: of x, of asinh(x), or of both."""
    x = np.array(at)
    forms: list[tuple[list[Floats], tuple[str, ...], dict[str, Any]]] = [
        ([x], ("slope",), {}),
        ([np.arcsinh(x)], ("slope",), {"curve": CURVE}),
        ([x, np.arcsinh(x)], ("slope", "bend"), {}),
    ]
    found: list[tuple[float, dict[str, Any]]] = []
    for terms, names, said in forms:
        n = len(terms)
        steps = np.array([[term[i + 1] - term[0] for term in terms] for i in range(n)])
        rises = np.array([parts[i + 1] - parts[0] for i in range(n)])
        weights = np.linalg.solve(steps, rises)
        offset = parts[0] - sum(w * term[0] for w, term in zip(weights, terms, strict=True))
        told = offset + sum(w * term for w, term in zip(weights, terms, strict=True))
        missed = float(np.abs(told - np.array(parts)).max())
        named = {name: float(w) for name, w in zip(names, weights, strict=True)}
        found.append((missed, {**named, "offset": float(offset), **said}))
    # Of the forms with one weight the better one: where a column hardly counts, both may do.
    missed, line = min(found[:2], key=lambda pair: pair[0])
    if missed > tolerance:
        missed, line = found[2]
    return line if missed <= tolerance else None


def _reference(schema: ModelSchema, background: Floats) -> Floats:
    """A row in the middle: medians of numbers, the first category; NaN where nothing is known."""
    row = np.full(len(schema.inputs), np.nan)
    for j, column in enumerate(schema.inputs):
        known = background[:, j][~np.isnan(background[:, j])]
        if column.kind == "category":
            row[j] = 0.0 if column.categories else np.nan
        elif len(known):
            row[j] = np.median(known)
    return row


def _points(schema: ModelSchema, j: int, values: Floats) -> list[float]:
    """Where to ask: NaN and every code, or NaN, both ends and two points far outside.

    A number's ends are kept apart: near 0 it and its inverse hyperbolic sine are nearly one.
    """
    column = schema.inputs[j]
    if column.kind == "category":
        return [math.nan, *(float(code) for code in range(len(column.categories)))]
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    span = max(high - low, _APART)
    return [math.nan, low, low + span, low + 4 * span, low - 2 * span]


def _damaged() -> BundleUnreadable:
    return BundleUnreadable(
        "the compiled linear model is damaged.",
        fix="Restore the bundle from a backup, or train again.",
        file="compiled.json",
    )
