"""Predictions and reasons of one model version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.domain.predictions import Explanation, Reason
from churnkit.inference.compile import CompiledModel
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.pipelines import sklearn_probability
from churnkit.settings import ServingTable

Floats = NDArray[np.float64]

ONE_BY_ONE = 8
"""Up to here single calls cost less than preparing a matrix."""
COMPILED_UP_TO = 128
"""Above, scikit-learn's own vectorised trees win (measured by the benchmark)."""


class Predictor:
    """A model that serves; safe to share between threads.

    Parameters
    ----------
    compiled : the model
    schema : what it reads
    pipeline : loads the scikit-learn pipeline, which is asked for many rows; None: never
    version : the model version's name
    serving : the limits of the risk bands
    base_rate : the churn rate of the training rows
    """

    def __init__(
        self,
        compiled: CompiledModel,
        schema: ModelSchema,
        *,
        pipeline: Callable[[], Any] | None = None,
        version: str,
        serving: ServingTable,
        base_rate: float,
    ) -> None:
        self.compiled = compiled
        self.schema = schema
        self.encoder = RowEncoder(schema)
        self.version = version
        self.serving = serving
        self.base_rate = base_rate
        self._load_pipeline = pipeline

    @cached_property
    def _pipeline(self) -> Any:
        return self._load_pipeline() if self._load_pipeline is not None else None

    def predict_proba_one(self, row: Mapping[str, object]) -> float:
        """The calibrated probability of leaving of one raw row, in [0, 1].

        Raises
        ------
        ColumnMissing, BadValue : the row cannot be read
        """
        return self.compiled.predict_one(self.encoder.encode(row))

    def predict_proba(self, rows: Sequence[Mapping[str, object]]) -> Floats:
        """The calibrated probabilities of raw rows, shape (n_rows,)."""
        return self.predict_encoded(self.encoder.encode_rows(rows))

    def predict_encoded(self, X: Floats) -> Floats:
        """The calibrated probabilities of encoded rows of shape (n, n_inputs).

        The way is chosen by their number; all ways give the same to 1e-12.
        """
        if len(X) <= ONE_BY_ONE:
            return np.array([self.compiled.predict_one(x) for x in X], dtype=np.float64)
        few = len(X) <= COMPILED_UP_TO or self.compiled.kind == "linear"
        if few or self._load_pipeline is None:
            return self.compiled.predict(X)
        return sklearn_probability(self._pipeline, X)

    def explain(
        self, row: Mapping[str, object], *, customer_id: str, k: int | None = None
    ) -> Explanation:
        """The probability of one raw row and its reasons, the weightiest first.

        Parameters
        ----------
        k : how many reasons; None: all, which then add up

        Raises
        ------
        ColumnMissing, BadValue : the row cannot be read
        """
        x = self.encoder.encode(row)
        p, points = self.compiled.points(x)
        names = self.schema.names()
        order = weightiest(points)[:k]
        notes = [
            f"'{row[name]}' in '{name}' is new to the model and was treated as missing."
            for name in self.encoder.unseen(row)
        ]
        return Explanation(
            customer_id=customer_id,
            probability=p,
            risk_band=self.serving.risk_band(p),
            model_version=self.version,
            base_probability=self.compiled.base_probability,
            base_rate=self.base_rate,
            reasons=tuple(
                Reason(column=names[i], value=_plain(row[names[i]]), points=float(points[i]))
                for i in order
            ),
            notes=tuple(notes),
        )


def weightiest(points: Floats) -> list[int]:
    """Positions by falling weight; equal ones in the schema's order."""
    order: list[int] = np.argsort(-np.abs(points), kind="stable").tolist()
    return order


def _plain(value: object) -> str | float | bool | None:
    """A raw value as a reason keeps it."""
    if value is None or value != value:  # not-a-number differs from itself
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | str):
        return value
    return float(value) if isinstance(value, int | float) else str(value)
