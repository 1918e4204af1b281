"""Probabilities that mean what they say: calibration on rows that the model was not fitted on.

The calibrator is fitted on out-of-fold margins, so no row calibrates a model that has seen it;
the model itself is then fitted on all training rows (``ensemble=False`` of scikit-learn's
``CalibratedClassifierCV``). Sigmoid: Platt (1999). Isotonic: Zadrozny and Elkan (2002).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier, _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import Pipeline

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_ISOTONIC_POSITIVES = 1000
"""With fewer churners, steps follow the noise (Niculescu-Mizil and Caruana, 2005)."""
METHODS = ("sigmoid", "isotonic")
_SMALLEST = 1e-6


def row_log_losses(y: Ints, p: Floats) -> Floats:
    """Log loss of each row in nats; probabilities are clipped to [1e-6, 1 − 1e-6]."""
    clipped = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return -np.where(y == 1, np.log(clipped), np.log1p(-clipped))


def mean_log_loss(y: Ints, p: Floats) -> float:
    """Mean of ``row_log_losses``."""
    return float(np.mean(row_log_losses(y, p)))


def fit_calibrator(method: str, margins: Floats, y: Ints) -> Any:
    """A fitted calibrator, of the kind that ``CalibratedClassifierCV`` uses itself."""
    if method == "sigmoid":
        return _SigmoidCalibration().fit(margins, y)
    return IsotonicRegression(out_of_bounds="clip").fit(margins, y)


def cross_calibrated(method: str, margins: Floats, y: Ints, fold: Ints) -> Floats:
    """Calibrated probabilities for rows that neither model nor calibrator has seen.

    Parameters
    ----------
    margins : shape (n,), out-of-fold
    fold : shape (n,), the fold that each row was checked in

    Returns
    -------
    p : shape (n,), each fold by the calibrator of the other folds
    """
    p = np.empty(len(y), dtype=np.float64)
    for k in np.unique(fold):
        here = fold == k
        others = ~here if len(np.unique(y[~here])) == 2 else np.ones_like(here)
        p[here] = fit_calibrator(method, margins[others], y[others]).predict(margins[here])
    return np.clip(p, 0.0, 1.0)


def score_margins(
    margins: Floats, y: Ints, fold: Ints, *, only: str | None = None
) -> Mapping[str, float]:
    """The cross-validated log loss of each calibration that this many churners allow.

    Parameters
    ----------
    only : the one that will be used, if that is known
    """
    few = min(int(y.sum()), int(len(y) - y.sum())) < MIN_ISOTONIC_POSITIVES
    return {
        method: mean_log_loss(y, cross_calibrated(method, margins, y, fold))
        for method in ((only,) if only else METHODS[:1] if few else METHODS)
    }


def response(model: Any, X: Floats) -> Floats:
    """The margin that is calibrated: the decision function, or else the second probability."""
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(X), dtype=np.float64)
    return np.asarray(model.predict_proba(X)[:, 1], dtype=np.float64)


def staged_responses(model: Pipeline, X: Floats, rounds: Sequence[int]) -> Floats:
    """The margins of a boosted model after some numbers of rounds, shape (n_rows, len(rounds)).

    Parameters
    ----------
    rounds : rising, the last one at most the rounds of the model
    """
    found = np.empty((len(X), len(rounds)), dtype=np.float64)
    before, classifier = model[:-1], model[-1]
    wanted = {number: at for at, number in enumerate(rounds)}
    for number, margins in enumerate(
        classifier.staged_decision_function(before.transform(X) if len(before) else X), 1
    ):
        if number in wanted:
            found[:, wanted[number]] = margins.ravel()
    return found


def assemble(
    encode: Any, fitted: Pipeline, margins: Floats, y: Ints, *, method: str
) -> CalibratedClassifierCV:
    """The calibrated classifier, from parts that are fitted already.

    It equals what ``CalibratedClassifierCV(ensemble=False, cv=folds).fit`` makes (a test shows
    it), but reuses the out-of-fold margins of the search instead of fitting all folds again,
    and allows folds that do not cover every row, as folds in order of time do not.

    Parameters
    ----------
    encode : the fitted step ``encode``
    fitted : the fitted steps after it
    margins, y : shape (n_covered,), out-of-fold margins and labels of 0 and 1
    """
    pipeline = Pipeline([("encode", encode), *fitted.steps])
    model = CalibratedClassifierCV(Pipeline(list(pipeline.steps)), method=method, ensemble=False)
    calibrator = fit_calibrator(method, margins, y)
    model.classes_ = np.array([0, 1])
    model.calibrated_classifiers_ = [
        _CalibratedClassifier(pipeline, [calibrator], method=method, classes=model.classes_)
    ]
    model.n_features_in_ = encode.n_features_in_
    model.feature_names_in_ = encode.feature_names_in_
    return model


def encoded_probabilities(model: CalibratedClassifierCV, X: Floats) -> Floats:
    """The churn probability of rows that are encoded already, shape (n_rows,)."""
    member = model.calibrated_classifiers_[0]
    p = member.calibrators[0].predict(response(member.estimator[1:], X))
    return np.minimum(np.asarray(p, dtype=np.float64), 1.0)
