"""The estimator that we expose: churnkit's search and calibration behind scikit-learn's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data

from churnkit.data.frames import model_frame
from churnkit.settings.sources import ColumnsTable
from churnkit.training.candidate import find_candidates
from churnkit.training.fit import encode_training, search_and_fit
from churnkit.training.schema import fit_schema


class ChurnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # sklearn is untyped
    """A calibrated two-class classifier, chosen among candidates by cross-validated log loss.

    Parameters
    ----------
    candidates : names of candidate models
    max_trials : models to try; the search is then the same on every machine
    calibration : ``sigmoid``, ``isotonic``, or None for the better one by cross-validation
    n_folds : of the cross-validation; fewer where a class has fewer rows
    random_state : seed of all that is random

    Attributes
    ----------
    classes_ : shape (2,); the second is the positive one
    model_ : the fitted ``CalibratedClassifierCV`` on raw columns
    trials_ : what was tried
    """

    def __init__(
        self,
        candidates: Sequence[str] = ("logistic_regression", "hist_gradient_boosting"),
        *,
        max_trials: int = 4,
        calibration: str | None = None,
        n_folds: int = 5,
        random_state: int | None = 0,
    ) -> None:
        self.candidates = candidates
        self.max_trials = max_trials
        self.calibration = calibration
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> ChurnClassifier:
        """Search and fit.

        Parameters
        ----------
        X : shape (n_rows, n_columns), numbers; or a pandas DataFrame that has texts, too. NaN
            is missing
        y : shape (n_rows,), two values
        """
        table = self._table(X, reset=True, y=y)
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            from sklearn.utils.validation import column_or_1d

            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, positive = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass."
            )
        if len(self.classes_) < 2:
            raise ValueError("The target has one class only; two are needed.")
        rarer = int(np.bincount(positive).min())
        if rarer < 2:
            raise ValueError(f"n_samples={rarer} of one class are too few; 2 are needed.")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        columns = ColumnsTable(target="target", positive="1")
        self._schema = fit_schema(
            table, tuple(table.column_names), np.arange(table.num_rows), columns
        )
        if not self._schema.inputs:
            raise ValueError("No column of X says anything: all values are missing or rare.")
        deal = StratifiedKFold(min(self.n_folds, rarer), shuffle=True, random_state=seed)
        folds = list(deal.split(np.zeros(len(positive)), positive))
        encoded = encode_training(
            model_frame(table, self._schema), positive, self._schema, folds, seed=seed
        )
        self.model_, found = search_and_fit(
            encoded,
            find_candidates(self.candidates),
            budget_seconds=None,
            max_trials=self.max_trials,
            calibration=self.calibration,
        )
        self.trials_ = found.trials
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of both classes, shape (n_rows, 2)."""
        check_is_fitted(self)
        table = self._table(X, reset=False)
        result: npt.NDArray[np.float64] = self.model_.predict_proba(
            model_frame(table, self._schema)
        )
        return result

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The more probable class, shape (n_rows,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def _table(self, X: Any, *, reset: bool, y: Any = None) -> pa.Table:
        """The rows as a typed table; a frame with texts keeps them."""
        texts = hasattr(X, "dtypes") and any(
            not np.issubdtype(np.dtype(kind), np.number) if isinstance(kind, np.dtype) else True
            for kind in X.dtypes
        )
        if texts:
            validate_data(self, X, skip_check_array=True, reset=reset)
            return pa.Table.from_pandas(X, preserve_index=False)
        if reset and y is not None:
            X, _ = validate_data(
                self, X, y, reset=True, dtype=np.float64, ensure_all_finite="allow-nan",
                ensure_min_samples=2,
            )  # fmt: skip
        elif reset:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        else:
            X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        names = [str(name) for name in getattr(self, "feature_names_in_", range(X.shape[1]))]
        return pa.table(
            [pa.array(X[:, i], from_pandas=True) for i in range(X.shape[1])], names=names
        )
