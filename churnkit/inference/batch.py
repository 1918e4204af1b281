"""Many customers: batches in, batches of scores out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from churnkit.data.scoring_input import TypedBatch
from churnkit.inference.predictor import Predictor, weightiest

Floats = NDArray[np.float64]
_KEPT = 50
"""New categories that are counted by name, per column."""


class ScoreNotes:
    """What was odd about the customers that were scored.

    Attributes
    ----------
    unseen : column → category that the model does not know → rows
    """

    def __init__(self) -> None:
        self.unseen: dict[str, dict[str, int]] = {}

    def add(self, found: dict[str, dict[str, int]]) -> None:
        """Count new categories of one more batch."""
        for column, values in found.items():
            counts = self.unseen.setdefault(column, {})
            for value, n in values.items():
                if value in counts or len(counts) < _KEPT:
                    counts[value] = counts.get(value, 0) + n


def score_batches(
    predictor: Predictor,
    batches: Iterable[TypedBatch],
    *,
    reasons: int = 0,
    notes: ScoreNotes | None = None,
) -> Iterator[pa.RecordBatch]:
    """Score batches as they come.

    The columns are ``customer_id, probability, risk_band, model_version``, and for each of the
    ``reasons`` its column's name, value and points (``reason_1, reason_1_value,
    reason_1_points``, …), the weightiest first.

    Parameters
    ----------
    reasons : how many per customer
    notes : takes what was odd
    """
    wanted = min(reasons, len(predictor.schema.inputs))
    for batch in batches:
        X = predictor.encoder.encode_arrow(batch.columns)
        if notes is not None:
            notes.add(predictor.encoder.unseen_arrow(batch.columns))
        columns: dict[str, Any] = {"customer_id": batch.ids}
        if wanted:
            p, told = _with_reasons(predictor, X, batch, wanted)
        else:
            p, told = predictor.predict_encoded(X), {}
        columns["probability"] = pa.array(p)
        columns["risk_band"] = _bands(predictor, p)
        columns["model_version"] = pa.repeat(predictor.version, len(p))
        yield pa.RecordBatch.from_pydict(columns | told)


def _bands(predictor: Predictor, p: Floats) -> pa.Array:
    limits = [predictor.serving.medium_risk, predictor.serving.high_risk]
    codes = np.searchsorted(limits, p, side="right").astype(np.int8)
    names = pa.array(["low", "medium", "high"])
    return pa.DictionaryArray.from_arrays(pa.array(codes), names).cast(pa.string())


def _with_reasons(
    predictor: Predictor, X: Floats, batch: TypedBatch, wanted: int
) -> tuple[Floats, dict[str, pa.Array]]:
    p = np.empty(len(X))
    chosen = np.empty((len(X), wanted), dtype=np.int64)
    weights = np.empty((len(X), wanted))
    for i, x in enumerate(X):
        p[i], points = predictor.compiled.points(x)
        chosen[i] = weightiest(points)[:wanted]
        weights[i] = points[chosen[i]]
    names = predictor.schema.names()
    # As text: one column holds values of several kinds.
    values = [_texts(batch.columns[name]) for name in names]
    told: dict[str, pa.Array] = {}
    for rank in range(wanted):
        picks = chosen[:, rank].tolist()
        told[f"reason_{rank + 1}"] = pa.array([names[j] for j in picks], pa.string())
        told[f"reason_{rank + 1}_value"] = pa.array(
            [values[j][i] for i, j in enumerate(picks)], pa.string()
        )
        told[f"reason_{rank + 1}_points"] = pa.array(weights[:, rank])
    return p, told


def _texts(values: pa.Array) -> list[str | None]:
    texts = []
    for value in values.to_pylist():
        whole = isinstance(value, float) and value.is_integer()
        texts.append(None if value is None else str(int(value)) if whole else str(value))
    return texts
