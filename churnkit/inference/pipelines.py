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
    # Its test for infinity adds all values up in float32, which very large ones overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        if hasattr(after, "decision_function"):
            margin: Floats = np.asarray(after.decision_function(X), dtype=np.float64)
        else:
            margin = np.asarray(after.predict_proba(X)[:, 1], dtype=np.float64)
    return margin


def many_margins(pipeline: Any, X: Floats) -> Floats:
    """The same as ``sklearn_margin`` by scikit-learn's trees, in a way that threads can share.

    Gradient boosting's own loop keeps the interpreter's lock from its first tree to its last,
    so nothing could be read or written meanwhile; its trees, asked one by one, let go of it.
    The sums have the same order.
    """
    inner, _ = fitted_parts(pipeline)
    classifier = inner.steps[-1][1]
    if type(classifier).__name__ != "GradientBoostingClassifier":
        return sklearn_margin(pipeline, X)
    before = inner[1:-1]
    filled = before.transform(X) if len(before) else X
    rows = np.ascontiguousarray(filled, dtype=np.float32)
    margin = np.full(len(rows), float(classifier._raw_predict_init(rows[:1])[0, 0]))
    for tree in classifier.estimators_[:, 0]:
        margin += classifier.learning_rate * tree.tree_.predict(rows)[:, 0]
    return margin


def sklearn_probability(pipeline: Any, X: Floats) -> Floats:
    """The calibrated probability by scikit-learn alone, for an encoded matrix."""
    _, calibrator = fitted_parts(pipeline)
    p: Floats = np.asarray(calibrator.predict(sklearn_margin(pipeline, X)), dtype=np.float64)
    return np.minimum(p, 1.0)
