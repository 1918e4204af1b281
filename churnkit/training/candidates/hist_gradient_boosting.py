"""Gradient boosting on binned columns: at most 300 trees of at most 31 leaves; fast on many rows.

Categories are read as ordered codes: scikit-learn's own categorical splits cannot be written
without naming ``functools.partial`` in the model's file, which our trust list refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from churnkit.domain.columns import ModelSchema
from churnkit.training.candidate import Candidate, log_uniform


def _suggest(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "max_iter": 300,
        "learning_rate": log_uniform(rng, 0.03, 0.2),
        "max_leaf_nodes": int(rng.choice([4, 6, 8, 16, 31])),
        "min_samples_leaf": int(rng.choice([5, 10, 20, 50])),
        "l2_regularization": float(rng.choice([0.0, 1.0, 10.0])),
        "max_features": float(rng.choice([0.3, 0.5, 1.0])),
    }


def _build(params: Mapping[str, Any], schema: ModelSchema, seed: int) -> Pipeline:
    classifier = HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **params)
    return Pipeline([("classifier", classifier)])


CANDIDATE = Candidate(
    name="hist_gradient_boosting",
    title="hist gradient boosting",
    kind="trees",
    defaults={
        "max_iter": 300,
        "learning_rate": 0.1,
        "max_leaf_nodes": 8,
        "min_samples_leaf": 10,
        "l2_regularization": 1.0,
        "max_features": 0.5,
    },
    suggest=_suggest,
    build=_build,
    rounds="max_iter",
)
