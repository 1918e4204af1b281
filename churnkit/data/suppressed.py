"""Leave rows of erased customers out, before anything else is done with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.fact_columns import as_text

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
