"""Gradient boosting with exact splits: at most 300 trees of at most 16 leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from churnkit.domain.columns import ModelSchema
from churnkit.training.candidate import Candidate, log_uniform


def _suggest(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "n_estimators": int(rng.choice([100, 150, 200, 300])),
        "learning_rate": log_uniform(rng, 0.03, 0.2),
        "max_depth": int(rng.choice([2, 3, 4])),
        "min_samples_leaf": int(rng.choice([1, 10, 30])),
        "subsample": float(rng.choice([0.5, 0.7, 1.0])),
        "max_features": float(rng.choice([0.3, 0.5, 1.0])),
    }


def _build(params: Mapping[str, Any], schema: ModelSchema, seed: int) -> Pipeline:
    # These trees cannot read NaN. Categories have codes from 0, so -1 is a branch of its own.
    fill = SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True)
    classifier = GradientBoostingClassifier(random_state=seed, **params)
    return Pipeline([("impute", fill), ("classifier", classifier)])


CANDIDATE = Candidate(
    name="gradient_boosting",
    title="gradient boosting",
    kind="trees",
    defaults={
        "n_estimators": 100,
        "learning_rate": 0.1,
        "max_depth": 3,
        "min_samples_leaf": 10,
        "subsample": 0.7,
        "max_features": 0.5,
    },
    suggest=_suggest,
    build=_build,
    rounds="n_estimators",
)
