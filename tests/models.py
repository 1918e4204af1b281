"""Small fitted models of every candidate, for tests of several rooms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnkit.data.frames import model_frame
from churnkit.data.simulate import snapshot
from churnkit.data.split import fold_indices, split_rows
from churnkit.data.target import labels
from churnkit.domain.columns import ModelSchema
from churnkit.settings.models import CANDIDATES
from churnkit.settings.sources import ColumnsTable
from churnkit.training.candidate import find_candidates
from churnkit.training.fit import encode_training, refit
from churnkit.training.schema import fit_schema

COLUMNS = ColumnsTable(target="churn", positive="Yes", id="customer_id")
SMALL = {
    "gradient_boosting": {"n_estimators": 25},
    "hist_gradient_boosting": {"max_iter": 25},
    "random_forest": {"n_estimators": 20},
}
LINES = {f"logistic_regression, {numbers}": numbers for numbers in ("plain", "both")}
"""What a number enters a linear model as, other than the default."""
KINDS = [(name, method) for name in (*CANDIDATES, *LINES) for method in ("sigmoid", "isotonic")]


@dataclass(frozen=True)
class Fitted:
    """A calibrated model and what it was fitted on."""

    pipeline: Any
    schema: ModelSchema
    frame: Any
    X: npt.NDArray[np.float64]
    table: pa.Table
    rows: npt.NDArray[np.int64]
    left: npt.NDArray[np.bool_]


@cache
def fitted(name: str, method: str = "sigmoid", n_rows: int = 1_500) -> Fitted:
    """A small model of this candidate on simulated customers with missing values."""
    table = snapshot(n_rows, seed=3, missing_share=0.08)
    split = split_rows(table, COLUMNS, test_share=0.25, seed=0)
    left = labels(table, "churn", "Yes")[split.train]
    used = tuple(n for n in table.column_names if n not in ("churn", "customer_id"))
    schema = fit_schema(table, used, split.train, COLUMNS)
    frame = model_frame(table.take(pa.array(split.train)), schema)
    folds = fold_indices(split, left, n_folds=3, seed=0)
    encoded = encode_training(frame, left, schema, folds, seed=0)
    (candidate,) = find_candidates([name.split(",")[0]])
    params = {**candidate.defaults, **SMALL.get(name, {})}
    if name in LINES:
        params["numbers"] = LINES[name]
    pipeline = refit(encoded, candidate, params, calibration=method)
    return Fitted(pipeline, schema, frame, encoded.training.X, table, split.train, left)
