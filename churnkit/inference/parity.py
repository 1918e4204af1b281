"""How far the compiled paths are from scikit-learn's own answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.inference.compile import CompiledModel
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.pipelines import sklearn_probability

Floats = NDArray[np.float64]

_SINGLES = 300
"""Rows that also go through the path for one row."""


def parity_rows(schema: ModelSchema, *, n: int, seed: int) -> Floats:
    """Encoded rows made from the schema alone, shape (n, n_inputs).

    Numbers lie in and a little outside of the training range, one in ten exactly on its ends or
    a whole number; every category occurs; one value in ten is missing.
    """
    rng = np.random.default_rng(seed)
    X = np.empty((n, len(schema.inputs)))
    for i, column in enumerate(schema.inputs):
        if column.kind == "category":
            X[:, i] = np.arange(n) % max(len(column.categories), 1)
            X[:, i] = rng.permutation(X[:, i]) if column.categories else np.nan
        elif column.kind == "boolean":
            X[:, i] = rng.integers(0, 2, n)
        else:
            low = column.low if column.low is not None else 0.0
            high = column.high if column.high is not None else 1.0
            span = (high - low) or 1.0
            values = rng.uniform(low - 0.1 * span, high + 0.1 * span, n)
            values = np.where(rng.random(n) < 0.3, np.round(values), values)
            X[:, i] = np.where(rng.random(n) < 0.1, rng.choice([low, high], n), values)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def parity(compiled: CompiledModel, pipeline: Any, X: Floats) -> float:
    """The largest difference of probabilities between any compiled path and scikit-learn.

    Parameters
    ----------
    X : encoded rows, shape (n, n_inputs)
    """
    return _largest(compiled, X, sklearn_probability(pipeline, X))


def parity_frame(compiled: CompiledModel, schema: ModelSchema, pipeline: Any, frame: Any) -> float:
    """The same, from raw customers: our encoder and model against the whole pipeline.

    Parameters
    ----------
    frame : a pandas frame of the raw columns, as the pipeline reads it
    """
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    X = RowEncoder(schema).encode_arrow({name: table.column(name) for name in schema.names()})
    return _largest(compiled, X, pipeline.predict_proba(frame)[:, 1])


def _largest(compiled: CompiledModel, X: Floats, expected: Floats) -> float:
    singles = np.array([compiled.predict_one(x) for x in X[:_SINGLES]])
    parts = (compiled.predict(X) - expected, singles - expected[:_SINGLES])
    return max((float(np.abs(part).max()) for part in parts if len(part)), default=0.0)
