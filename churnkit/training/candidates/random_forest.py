"""A random forest of small trees: at most 200 of at most 64 leaves, so that it explains fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from churnkit.domain.columns import ModelSchema
from churnkit.training.candidate import Candidate


def _suggest(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "n_estimators": int(rng.choice([100, 150, 200])),
        "max_leaf_nodes": int(rng.choice([24, 32, 48, 64])),
        "min_samples_leaf": int(rng.choice([1, 3, 5, 10, 20])),
        "max_features": float(rng.choice([0.2, 0.3, 0.4, 0.6])),
        "class_weight": "balanced_subsample" if rng.random() < 0.25 else None,
    }


def _build(params: Mapping[str, Any], schema: ModelSchema, seed: int) -> Pipeline:
    return Pipeline([("classifier", RandomForestClassifier(n_jobs=1, random_state=seed, **params))])


CANDIDATE = Candidate(
    name="random_forest",
    title="random forest",
    kind="trees",
    defaults={
        "n_estimators": 150,
        "max_leaf_nodes": 64,
        "min_samples_leaf": 3,
        "max_features": 0.3,
        "class_weight": None,
    },
    suggest=_suggest,
    build=_build,
)
