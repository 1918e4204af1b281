"""What the training customers looked like, as counts: nobody can be read from it.

A fifth of the rows, drawn at random, decides the bins, and only the other rows are counted in
them. So the bins are fixed as seen from the counted rows, which are then exchangeable with the
customers that come later: the drift test of ``churnkit.monitoring`` is exact because of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.domain.columns import ModelSchema

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BINS = 10
_FEWEST = 5
"""Smaller counts are not given."""
_PER_BIN = 10
"""Rows of the deciding fifth that a bin needs."""
_ATOM = 0.05
"""A single value of at least this share (no one's own) gets a bin for itself."""


def reference_distribution(
    table: pa.Table,
    schema: ModelSchema,
    rows: npt.NDArray[np.int64],
    probabilities: Floats,
) -> dict[str, Any]:
    """Histograms of the inputs on the training rows, and of the scores on the test rows.

    Parameters
    ----------
    table : the imported customers
    rows : the training rows
    probabilities : shape (n_test,), in [0, 1]

    Returns
    -------
    reference : plain data. Each input, and ``scores``, has ``counts`` of the counted rows and
        ``planned``, the shares that the deciding rows had. For numbers and booleans both are
        [missing, below edges[0], …, from edges[-1] on]; for categories [missing, one per
        category, all others]. No quantile is given with more than three digits, and bins with
        1 to 4 customers are joined to a neighbour.
    """
    chosen = table.take(pa.array(rows))
    deciding = _deciding(len(rows))
    inputs: dict[str, Any] = {}
    for column in schema.inputs:
        values = chosen.column(column.name)
        if column.kind == "category":
            inputs[column.name] = _categories(values.to_pylist(), column.categories, deciding)
            continue
        if column.kind == "boolean":
            values = values.cast(pa.int8())
        # What is missing becomes NaN.
        numbers = pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy()
        inputs[column.name] = _numbers(numbers, deciding)
    return {
        "n_rows": len(rows),
        "inputs": inputs,
        "scores": _numbers(probabilities, _deciding(len(probabilities))),
    }


def _deciding(n: int) -> Bools:
    """The fifth of the rows that decides the bins: by position, whatever the rows hold."""
    chosen = np.zeros(n, dtype=np.bool_)
    chosen[np.random.default_rng(0).permutation(n)[: n // 5]] = True
    return chosen


def _numbers(numbers: Floats, deciding: Bools) -> dict[str, Any]:
    edges = _edges(numbers[deciding])
    counts = _binned(numbers[~deciding], edges)
    # The first entry counts the missing and has no edge to lose.
    while len(small := np.flatnonzero((counts[1:] > 0) & (counts[1:] < _FEWEST))) and len(edges):
        edges = np.delete(edges, min(int(small[0]), len(edges) - 1))
        counts = _binned(numbers[~deciding], edges)
    return {
        "edges": edges.tolist(),
        "planned": _shares(_binned(numbers[deciding], edges)),
        "counts": counts.tolist(),
    }


def _edges(numbers: Floats) -> Floats:
    """Deciles to three digits, and both sides of each value that many rows have."""
    known = numbers[np.isfinite(numbers)]
    n_bins = min(_BINS, len(known) // _PER_BIN)
    if n_bins == 0:
        return np.empty(0)
    values, n = np.unique(known, return_counts=True)
    atoms = values[n >= max(_ATOM * len(known), _PER_BIN)]
    quantiles = np.quantile(known, np.linspace(0, 1, n_bins + 1)[1:-1])
    rounded = np.array([float(f"{edge:.3g}") for edge in quantiles])
    # An atom that is a decile, too, would leave a rounded twin beside it.
    apart = rounded[~np.isin(quantiles, atoms)]
    return np.unique(np.concatenate([apart, atoms, np.nextafter(atoms, np.inf)]))


def _binned(numbers: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    known = numbers[~np.isnan(numbers)]
    # Open at both ends: the smallest and the largest value would be somebody's.
    bins = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return np.concatenate([[len(numbers) - len(known)], bins]).astype(np.int64)


def _categories(
    values: list[str | None], known: tuple[str, ...], deciding: Bools
) -> dict[str, Any]:
    first = Counter(v for v, decides in zip(values, deciding, strict=True) if decides)
    later = Counter(v for v, decides in zip(values, deciding, strict=True) if not decides)
    named = [name for name in sorted(known) if first[name] >= _FEWEST and later[name] >= _FEWEST]

    def counts(seen: Counter[str | None]) -> list[int]:
        found = [seen[None], *(seen[name] for name in named)]
        return [*found, seen.total() - sum(found)]

    return {
        "categories": named,
        "planned": _shares(np.array(counts(first))),
        "counts": counts(later),
    }


def _shares(counts: npt.NDArray[np.int64]) -> list[float]:
    return [round(float(n), 4) for n in counts / max(int(counts.sum()), 1)]
