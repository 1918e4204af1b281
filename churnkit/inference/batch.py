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
_EXAMPLES = 50


@dataclass
class ScoreNotes:
    """What was noticed while scoring.

    ``unseen`` counts the values that the model does not know (they count as missing), by column
    and value; of a column with very many of them, the first 50.
    """

    n_rows: int = 0
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, found: dict[str, dict[str, int]]) -> None:
        """Take in one batch's unknown categories with their counts."""
        for column, counts in found.items():
            known = self.unseen.setdefault(column, {})
            for word, n in counts.items():
                if word in known or len(known) < _EXAMPLES:
                    known[word] = known.get(word, 0) + n


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
    reasons : how many reasons each row gets; the batch then has ``reason_i`` (the column),
        ``reason_i_value`` (as text) and ``reason_i_points`` for i = 1 … reasons, the strongest
        first
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
    texts = [_texts(batch.columns[column.name], column.kind) for column in predictor.schema.inputs]
    columns: dict[str, pa.Array] = {}
    for place in range(wanted):
        if place < chosen.shape[1]:
            picks = chosen[:, place].tolist()
            told = [names[j] for j in picks]
            values = [texts[j][i] for i, j in enumerate(picks)]
            numbers = pa.array(np.ascontiguousarray(points[:, place]))
        else:  # more reasons were asked for than there are columns
            told = values = [None] * len(X)
            numbers = pa.nulls(len(X), pa.float64())
        columns[f"reason_{place + 1}"] = pa.array(told, type=pa.string())
        columns[f"reason_{place + 1}_value"] = pa.array(values, type=pa.string())
        columns[f"reason_{place + 1}_points"] = numbers
    return columns


def _texts(array: pa.Array, kind: str) -> list[str | None]:
    """A column's values as text: one column of the output holds values of several kinds."""
    values = array.to_pylist()
    if kind == "category":
        return [None if value is None else str(value) for value in values]
    if kind == "boolean":
        return [None if value is None else "true" if value else "false" for value in values]
    return [None if value is None else f"{value:.12g}" for value in values]
