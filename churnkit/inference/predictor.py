"""A served model: raw rows in, calibrated probabilities and reasons out."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.domain.predictions import Explanation, Reason
from churnkit.inference.compile import CompiledModel
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.pipelines import many_margins
from churnkit.inference.reasons import reasons_one
from churnkit.settings.models import ServingTable

Floats = NDArray[np.float64]
SKLEARN_FROM_ROWS = 512
"""From this many rows on, scikit-learn's own vectorised trees are faster (measured)."""


class Predictor:
    """Answers for one model version; may be shared between threads.

    Parameters
    ----------
    compiled : the compiled model
    schema : what it reads
    pipeline : the scikit-learn pipeline, or a function without arguments that loads it; used
        for many rows only, so that one row never imports scikit-learn
    version : the model version's name
    serving : the limits of the risk bands
    base_rate : share of customers who left, in the training rows
    """

    def __init__(
        self,
        compiled: CompiledModel,
        schema: ModelSchema,
        *,
        pipeline: Callable[[], object] | object | None = None,
        version: str,
        serving: ServingTable,
        base_rate: float,
    ) -> None:
        self.schema = schema
        self.version = version
        self.serving = serving
        self.base_rate = base_rate
        self.encoder = RowEncoder(schema)
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self.compiled = compiled if pipeline is None else compiled.with_pipeline(self._loaded)

    def predict_proba_one(self, row: Mapping[str, object]) -> float:
        """The calibrated probability of one raw row.

        Raises
        ------
        ColumnMissing, BadValue : see ``RowEncoder.encode``
        """
        return self.compiled.predict_one(self.encoder.encode(row))

    def predict_proba(self, rows: Sequence[Mapping[str, object]]) -> Floats:
        """The calibrated probabilities of raw rows, shape (n,)."""
        return self.predict_encoded(self.encoder.encode_rows(rows))

    def predict_encoded(self, X: Floats) -> Floats:
        """The calibrated probabilities of encoded rows of shape (n, n_inputs).

        Few rows take the compiled path, many rows of a large tree ensemble scikit-learn's, when
        the pipeline was given; both agree to 1e-12.
        """
        many = len(X) >= SKLEARN_FROM_ROWS and self.compiled.slow_for_many
        if many and self._pipeline is not None:
            return self.compiled.calibration.many(many_margins(self._loaded(), X))
        return self.compiled.predict(X)

    def explain(
        self, row: Mapping[str, object], *, customer_id: str, k: int | None = None
    ) -> Explanation:
        """The probability of one raw row and its k strongest reasons (all when k is None)."""
        x = self.encoder.encode(row)
        points, order, probability = reasons_one(self.compiled, x)
        names = self.schema.names()
        reasons = tuple(
            Reason(column=names[i], value=plain_value(row[names[i]]), points=float(points[i]))
            for i in order[:k]
        )
        notes = tuple(
            f"{name}: {row[name]!r} was not among the training data's categories; "
            "it counts as missing."
            for name in self.encoder.unseen(row)
        )
        return Explanation(
            customer_id=customer_id,
            probability=probability,
            risk_band=self.serving.risk_band(probability),
            model_version=self.version,
            base_probability=self.compiled.calibration.one(self.compiled.engine.base_margin),
            base_rate=self.base_rate,
            reasons=reasons,
            notes=notes,
        )

    def reasons_encoded(self, X: Floats, k: int) -> tuple[NDArray[np.intp], Floats]:
        """The k strongest columns and their points for encoded rows, both of shape (n, k).

        k is cut to the number of columns.
        """
        k = min(k, len(self.schema.inputs))
        columns = np.empty((len(X), k), dtype=np.intp)
        points = np.empty((len(X), k), dtype=np.float64)
        for i, x in enumerate(X):
            all_points, order, _ = reasons_one(self.compiled, x)
            columns[i] = order[:k]
            points[i] = all_points[order[:k]]
        return columns, points

    def _loaded(self) -> object:
        with self._lock:
            if callable(self._pipeline):
                self._pipeline = self._pipeline()
            return self._pipeline


def plain_value(value: object) -> str | float | bool | None:
    """A raw value as a reason shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Real) and not math.isnan(float(value)):
        return float(value)
    return None if value is None or isinstance(value, Real) else str(value)
