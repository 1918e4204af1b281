"""What the training customers looked like, as counts: nobody can be read from it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.domain.columns import ModelSchema

_BINS = 10
_FEWEST = 5
"""Smaller counts are not given."""


def reference_distribution(
    table: pa.Table,
    schema: ModelSchema,
    rows: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
) -> dict[str, Any]:
    """Histograms of the inputs on the training rows, and of the scores on the test rows.

    Parameters
    ----------
    table : the imported customers
    rows : the training rows
    probabilities : shape (n_test,), in [0, 1]

    Returns
    -------
    reference : plain data; edges are rounded to three digits and counts below 5 left out
    """
    chosen = table.take(pa.array(rows))
    inputs: dict[str, Any] = {}
    for column in schema.inputs:
        values = chosen.column(column.name)
        missing = values.null_count / max(len(values), 1)
        if column.kind == "category":
            known = set(column.categories)
            counts = Counter(v for v in pc.drop_null(values).to_pylist() if v in known)
            found = {name: n for name, n in sorted(counts.items()) if n >= _FEWEST}
            inputs[column.name] = {"missing_share": missing, "categories": found}
            continue
        if column.kind == "boolean":
            values = values.cast(pa.int8())
        numbers = pc.drop_null(values.cast(pa.float64())).to_numpy()
        inputs[column.name] = {"missing_share": missing, **_histogram(numbers)}
    return {
        "n_rows": len(rows),
        "inputs": inputs,
        "scores": {
            "edges": [round(edge, 2) for edge in np.linspace(0, 1, 21).tolist()],
            "counts": _suppressed(np.histogram(probabilities, bins=20, range=(0, 1))[0]),
        },
    }


def _histogram(numbers: npt.NDArray[np.float64]) -> dict[str, Any]:
    if len(numbers) == 0:
        return {"edges": [], "counts": []}
    quantiles = np.quantile(numbers, np.linspace(0, 1, _BINS + 1)[1:-1])
    edges = np.unique([float(f"{edge:.3g}") for edge in quantiles])
    # Open at both ends: the smallest and the largest value would be somebody's.
    counts = np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1)
    return {"edges": edges.tolist(), "counts": _suppressed(counts)}


def _suppressed(counts: npt.NDArray[np.int64]) -> list[int]:
    return [int(n) if n >= _FEWEST else 0 for n in counts]
