"""Leave rows of erased customers out, before anything else is done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.fact_columns import as_text
from churnkit.data.scoring_input import TypedBatch

Suppressed = Callable[[Iterable[str]], set[str]]
"""Which of some customers were erased."""


def without_suppressed(
    batch: pa.RecordBatch, numbers: Sequence[int], column: str, suppressed: Suppressed | None
) -> tuple[pa.RecordBatch, Sequence[int], int]:
    """A batch without the rows of erased customers, the others' numbers, and how many are out."""
    if suppressed is None or not batch.num_rows:
        return batch, numbers, 0
    ids = as_text(batch.column(column))
    erased = suppressed(pc.drop_null(pc.unique(ids)).to_pylist())
    if not erased:
        return batch, numbers, 0
    out = pc.fill_null(pc.is_in(ids, pa.array(sorted(erased), ids.type)), False)
    kept = np.flatnonzero(~out.to_numpy(zero_copy_only=False).astype(np.bool_))
    return (
        batch.take(pa.array(kept)),
        [numbers[place] for place in kept.tolist()],
        batch.num_rows - len(kept),
    )


def typed_without(
    batch: TypedBatch, suppressed: Suppressed | None
) -> tuple[TypedBatch, npt.NDArray[np.int64]]:
    """A batch to be scored without erased customers, and the places of those that are left."""
    names = batch.ids.to_pylist() if suppressed is not None else []
    erased = suppressed(names) if suppressed is not None else ()
    if not erased:
        return batch, np.arange(len(batch.ids))
    kept = np.flatnonzero([name not in erased for name in names])
    rows = pa.array(kept, pa.int64())
    columns = {name: column.take(rows) for name, column in batch.columns.items()}
    return TypedBatch(batch.first_row, batch.ids.take(rows), columns), kept
