"""Scores for batches of typed columns, one record batch out for each in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from churnkit.errors import BadValue, ColumnMissing
from churnkit.inference.predictor import Predictor
from churnkit.settings import ServingTable

if TYPE_CHECKING:
    from churnkit.data.scoring_input import TypedBatch

Floats = NDArray[np.float64]
_EXAMPLES = 20


@dataclass
class ScoreNotes:
    """What was noticed while scoring.

    ``unseen`` counts, by column, the values that the model does not know (they count as
    missing); ``examples`` holds up to 20 of them by column.
    """

    n_rows: int = 0
    unseen: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, found: dict[str, dict[str, int]]) -> None:
        """Take in one batch's unknown categories with their counts."""
        for column, counts in found.items():
            self.unseen[column] = self.unseen.get(column, 0) + sum(counts.values())
            known = self.examples.setdefault(column, [])
            for word in counts:
                if len(known) < _EXAMPLES and word not in known:
                    known.append(word)


def score_batches(
    predictor: Predictor,
    batches: Iterable[TypedBatch],
    *,
    reasons: int = 0,
    notes: ScoreNotes | None = None,
) -> Iterator[pa.RecordBatch]:
    """Score typed batches, one after the other, in constant memory.

    Parameters
    ----------
    reasons : how many reasons each row gets; the batch then has ``reason_i`` (text) and
        ``reason_i_points`` for i = 1 … reasons
    notes : filled while the batches are read

    Raises
    ------
    ColumnMissing, BadValue : see ``RowEncoder.encode_arrow``; rows count over all batches
    """
    for batch in batches:
        try:
            X = predictor.encoder.encode_arrow(batch.columns)
        except (BadValue, ColumnMissing) as error:
            row = error.where.get("row")
            if isinstance(row, int):
                # The encoder counts from 1 within the batch; people count within the file.
                error.where["row"] = batch.first_row + row - 1
            raise
        if notes is not None:
            notes.n_rows += len(X)
            notes.add(predictor.encoder.unseen_arrow(batch.columns))
        p = predictor.predict_encoded(X)
        columns: dict[str, pa.Array] = {
            "customer_id": batch.ids,
            "probability": pa.array(p),
            "risk_band": _bands(p, predictor.serving),
            "model_version": pa.repeat(pa.scalar(predictor.version, pa.string()), len(p)),
        }
        if reasons > 0:
            columns |= _reasons(predictor, batch, X, reasons)
        yield pa.RecordBatch.from_pydict(columns)


def _bands(p: Floats, serving: ServingTable) -> pa.Array:
    level = (p >= serving.medium_risk).astype(np.int8) + (p >= serving.high_risk)
    words = pa.array(["low", "medium", "high"])
    return words.take(pa.array(level))


def _reasons(
    predictor: Predictor, batch: TypedBatch, X: Floats, wanted: int
) -> dict[str, pa.Array]:
    chosen, points = predictor.reasons_encoded(X, wanted)
    names = predictor.schema.names()
    values = [batch.columns[name].to_pylist() for name in names]
    kinds = [column.kind for column in predictor.schema.inputs]
    columns: dict[str, pa.Array] = {}
    for place in range(wanted):
        if place >= chosen.shape[1]:
            texts: list[str | None] = [None] * len(X)
            numbers = pa.nulls(len(X), pa.float64())
        else:
            texts = [
                reason_text(names[j], values[j][i], points[i, place], kinds[j])
                for i, j in enumerate(chosen[:, place].tolist())
            ]
            numbers = pa.array(np.ascontiguousarray(points[:, place]))
        columns[f"reason_{place + 1}"] = pa.array(texts, type=pa.string())
        columns[f"reason_{place + 1}_points"] = numbers
    return columns


def reason_text(column: str, value: object, points: float, kind: str = "category") -> str:
    """One reason in words, with percentage points: ``Contract=Two year (-8.1)``."""
    if value is None or value != value:
        shown = "missing"
    elif kind == "boolean":
        shown = "yes" if value else "no"
    elif isinstance(value, float):
        shown = f"{value:.6g}"
    else:
        shown = str(value)
    return f"{column}={shown} ({100 * points:+.1f})"
