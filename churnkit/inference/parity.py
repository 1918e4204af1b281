"""Do the compiled paths and scikit-learn agree? Asked before a model is admitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.inference.compile import CompiledModel
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.pipelines import many_margins, sklearn_probability

Floats = NDArray[np.float64]
_MISSING_SHARE = 0.1
_BEYOND = 0.25  # how far outside of the training range numbers go, as a share of it


def parity_rows(schema: ModelSchema, *, n: int, seed: int) -> Floats:
    """Synthetic encoded rows, shape (n, n_inputs), drawn from the schema alone.

    Numbers range a quarter beyond what training saw on either side; every category occurs when
    n allows; a tenth of the values is missing, and the first row is missing altogether.
    """
    generator = np.random.default_rng(seed)
    X = np.empty((n, len(schema.inputs)))
    for j, column in enumerate(schema.inputs):
        if column.kind == "category":
            count = len(column.categories)
            codes = np.arange(n) % max(count, 1)
            X[:, j] = generator.permutation(codes) if count else np.nan
        elif column.kind == "boolean":
            X[:, j] = generator.integers(0, 2, size=n)
        else:
            low = 0.0 if column.low is None else column.low
            high = 1.0 if column.high is None else column.high
            margin = _BEYOND * (high - low) or 1.0
            X[:, j] = generator.uniform(low - margin, high + margin, size=n)
            # Half of them on whole numbers, where trees' thresholds and ties are.
            X[::2, j] = np.round(X[::2, j])
    X[generator.random(X.shape) < _MISSING_SHARE] = np.nan
    X[:1] = np.nan
    return X


def parity(compiled: CompiledModel, pipeline: Any, X: Floats) -> float:
    """The largest difference of a probability between scikit-learn and any compiled path.

    Compared, on encoded rows X of shape (n, n_inputs): many rows at once, each row alone, a
    copy that went through its files, and the way of many rows.
    """
    expected = sklearn_probability(pipeline, X)
    restored = CompiledModel.from_files(compiled.to_files()).with_pipeline(lambda: pipeline)
    ours = [
        compiled.predict(X),
        np.array([compiled.predict_one(x) for x in X]),
        restored.predict(X),
        compiled.calibration.many(many_margins(pipeline, X)),
    ]
    return _largest([p - expected for p in ours])


def parity_frame(compiled: CompiledModel, schema: ModelSchema, pipeline: Any, frame: Any) -> float:
    """The same from raw values: our encoder and model against the pipeline on its DataFrame.

    Parameters
    ----------
    frame : what the pipeline was fitted on, or rows like them (float64 and text columns)
    """
    expected = pipeline.predict_proba(frame)[:, 1]
    rows = [
        {str(name): value for name, value in row.items()}
        for row in frame.loc[:, list(schema.names())].to_dict("records")
    ]
    X = RowEncoder(schema).encode_rows(rows)
    alone = np.array([compiled.predict_one(x) for x in X])
    return _largest([compiled.predict(X) - expected, alone - expected])


def _largest(differences: list[Floats]) -> float:
    # A NaN must count as disagreement, not vanish in a maximum.
    worst = max((float(np.max(np.abs(d), initial=0.0)) for d in differences), default=0.0)
    return float("inf") if any(np.isnan(d).any() for d in differences) else worst
