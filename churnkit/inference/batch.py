"""Scores for batches of typed columns, one record batch out for each in."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from churnkit.errors import BadValue, ColumnMissing
from churnkit.inference.predictor import Predictor
from churnkit.settings.models import ServingTable

if TYPE_CHECKING:
    from churnkit.data.scoring_input import TypedBatch

Floats = NDArray[np.float64]
Unseen = dict[str, dict[str, int]]
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
    stream = iter(batches)
    head = list(islice(stream, 2))
    if len(head) < 2:
        for batch in head:
            yield _noted(_scored(predictor, batch, reasons), notes)
        return
    # scikit-learn's trees let go of the interpreter's lock: while one batch is predicted, others
    # are read, encoded and written. A few batches are under way, so memory stays bounded.
    n_workers = max(1, os.cpu_count() or 1)
    with ThreadPoolExecutor(n_workers, initializer=one_thread_here) as pool:
        waiting: deque[Future[tuple[pa.RecordBatch, Unseen]]] = deque()
        try:
            for batch in chain(head, stream):
                waiting.append(pool.submit(_scored, predictor, batch, reasons))
                if len(waiting) > n_workers:
                    yield _noted(waiting.popleft().result(), notes)
            while waiting:
                yield _noted(waiting.popleft().result(), notes)
        finally:
            for future in waiting:
                future.cancel()


def score_typed(predictor: Predictor, batch: TypedBatch, *, reasons: int = 0) -> pa.RecordBatch:
    """Score one batch; its columns are those of ``score_batches``."""
    return _scored(predictor, batch, reasons)[0]


def one_thread_here() -> None:
    """Keep OpenMP to one thread in the calling thread."""
    # Each worker is one thread; OpenMP keeps its limit per thread.
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="openmp")


def _noted(scored: tuple[pa.RecordBatch, Unseen], notes: ScoreNotes | None) -> pa.RecordBatch:
    batch, unseen = scored
    if notes is not None:
        notes.n_rows += batch.num_rows
        notes.add(unseen)
    return batch


def _scored(predictor: Predictor, batch: TypedBatch, reasons: int) -> tuple[pa.RecordBatch, Unseen]:
    try:
        X = predictor.encoder.encode_arrow(batch.columns)
    except (BadValue, ColumnMissing) as error:
        row = error.where.get("row")
        if isinstance(row, int):
            # The encoder counts from 1 within the batch; people count within the file.
            error.where["row"] = batch.first_row + row - 1
        raise
    p = predictor.predict_encoded(X)
    columns: dict[str, pa.Array] = {
        "customer_id": batch.ids,
        "probability": pa.array(p),
        "risk_band": _bands(p, predictor.serving),
        "model_version": pa.repeat(pa.scalar(predictor.version, pa.string()), len(p)),
    }
    if reasons > 0:
        columns |= _reasons(predictor, batch, X, reasons)
    unseen = predictor.encoder.unseen_arrow(batch.columns)
    return pa.RecordBatch.from_pydict(columns), unseen


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
