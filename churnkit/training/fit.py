"""From a frame of training rows to a calibrated pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

from churnkit.domain.columns import ModelSchema
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.training.calibrate import assemble
from churnkit.training.candidate import Candidate
from churnkit.training.search import (
    Folds,
    Searched,
    Training,
    cross_margins,
    fit_tail,
    one_thread_each,
    search,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """The fitted step ``encode``, and the training rows it made."""

    encode: ColumnTransformer
    training: Training


def encoder(schema: ModelSchema) -> ColumnTransformer:
    """The step ``encode``: a frame becomes float64, column i is ``schema.inputs[i]``.

    Numbers stay, categories become their position in the schema; missing, unseen and rare
    become NaN.
    """
    numbers = [column.name for column in schema.inputs if column.kind != "category"]
    categories = [column for column in schema.inputs if column.kind == "category"]
    ordinal = OrdinalEncoder(
        categories=[list(column.categories) for column in categories],
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        dtype=np.float64,
    )
    return ColumnTransformer(
        [
            ("numbers", "passthrough", numbers),
            ("categories", ordinal, [column.name for column in categories]),
        ]
    )


def encode_training(
    frame: Any,
    y: npt.NDArray[Any],
    schema: ModelSchema,
    folds: Folds,
    *,
    seed: int,
    customers: Ints | None = None,
) -> Encoded:
    """Encode the training rows once; the encoding depends on the schema alone.

    Parameters
    ----------
    customers : of a panel, whose row it is (see ``Training``)
    """
    encode = encoder(schema).fit(frame)
    X = np.ascontiguousarray(encode.transform(frame), dtype=np.float64)
    labels = np.asarray(y, dtype=np.int64)
    return Encoded(encode, Training(X, labels, folds, schema, seed, customers))


def search_and_fit(
    encoded: Encoded,
    candidates: Sequence[Candidate],
    *,
    budget_seconds: float | None,
    max_trials: int | None = None,
    calibration: str | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> tuple[CalibratedClassifierCV, Searched]:
    """Search, then fit the winner on all training rows and calibrate it.

    Parameters
    ----------
    calibration : ``sigmoid`` or ``isotonic``; None: the better one by cross-validation

    Raises
    ------
    BudgetTooSmall : no trial within the budget
    Cancelled : asked to stop
    """
    found = search(
        encoded.training,
        candidates,
        budget_seconds=budget_seconds,
        max_trials=max_trials,
        calibration=calibration,
        progress=progress,
        cancel=cancel,
    )
    best = found.trials[found.chosen]
    candidate = next(one for one in candidates if one.name == best.candidate)
    progress(Step("fitting the best model on all training rows", None, candidate.title))
    if cancel is not None:
        cancel.check()
    model = _fitted(encoded, candidate, best.params, found, found.calibration)
    return model, found


def refit(
    encoded: Encoded,
    candidate: Candidate,
    params: Mapping[str, Any],
    *,
    calibration: str,
    cancel: Cancel | None = None,
) -> CalibratedClassifierCV:
    """Fit one known choice of parameters again, as the search's winner was."""
    margins = cross_margins(candidate, params, encoded.training, cancel=cancel)
    return _fitted(encoded, candidate, params, Searched((), 0, margins, calibration), calibration)


def _fitted(
    encoded: Encoded,
    candidate: Candidate,
    params: Mapping[str, Any],
    found: Searched,
    calibration: str,
) -> CalibratedClassifierCV:
    data, margins = encoded.training, found.margins
    with one_thread_each():
        tail = fit_tail(candidate, params, data, np.arange(len(data.y)))
        return assemble(
            encoded.encode, tail, margins.values, data.y[margins.rows], method=calibration
        )
