"""The parts of a trained scikit-learn pipeline, and its answer on an encoded matrix.

A pipeline is ``CalibratedClassifierCV(Pipeline(encode, …, classifier), ensemble=False)``. On
the encoded matrix we run the steps after ``encode`` and then the calibrator, as it does itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.errors import BundleUnreadable

Floats = NDArray[np.float64]


def fitted_parts(pipeline: Any) -> tuple[Any, Any]:
    """The fitted inner ``Pipeline`` and its calibrator.

    Raises
    ------
    BundleUnreadable : not one calibrated pipeline that starts with ``encode``
    """
    members = getattr(pipeline, "calibrated_classifiers_", [])
    if len(members) != 1 or len(members[0].calibrators) != 1:
        raise BundleUnreadable(
            "the pipeline is not one calibrated two-class model.",
            fix="Train it with churnkit, or calibrate it with ensemble=False.",
        )
    inner = members[0].estimator
    steps = getattr(inner, "steps", None)
    if not steps or steps[0][0] != "encode" or len(steps) < 2:
        raise BundleUnreadable(
            "the pipeline has no step 'encode' in front.",
            fix="Train it with churnkit.",
        )
    return inner, members[0].calibrators[0]


def sklearn_margin(pipeline: Any, X: Floats) -> Floats:
    """What the calibrator reads, for an encoded matrix: shape (n_rows,).

    The decision function where the classifier has one, else the probability of the second
    class; this is scikit-learn's own choice in ``_CalibratedClassifier.predict_proba``.
    """
    inner, _ = fitted_parts(pipeline)
    after = inner[1:]
    if hasattr(after, "decision_function"):
        margin: Floats = np.asarray(after.decision_function(X), dtype=np.float64)
    else:
        margin = np.asarray(after.predict_proba(X)[:, 1], dtype=np.float64)
    return margin


def sklearn_probability(pipeline: Any, X: Floats) -> Floats:
    """The calibrated probability by scikit-learn alone, for an encoded matrix."""
    _, calibrator = fitted_parts(pipeline)
    p: Floats = np.asarray(calibrator.predict(sklearn_margin(pipeline, X)), dtype=np.float64)
    return np.minimum(p, 1.0)
