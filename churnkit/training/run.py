"""One training run: split, search, calibrate, evaluate once, remember."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.calibration import CalibratedClassifierCV

from churnkit.data.frames import model_frame
from churnkit.data.split import Split, fold_indices, split_rows
from churnkit.data.target import labels
from churnkit.domain.columns import ModelSchema, TableSchema
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.domain.runs import RunRecord, Trial
from churnkit.errors import TooFewRows
from churnkit.settings.sources import ColumnsTable
from churnkit.settings.whole import Settings
from churnkit.training.calibrate import encoded_probabilities, response
from churnkit.training.candidate import find_candidates
from churnkit.training.evaluate import choose_segments, evaluate
from churnkit.training.fit import Encoded, encode_training, refit, search_and_fit
from churnkit.training.importance import permutation_importance
from churnkit.training.record import feature_hash, predictions_hash, used_settings
from churnkit.training.schema import fit_schema, silent_columns
from churnkit.training.search import one_thread_each

_FOLDS = 5
_MIN_PER_FOLD = 4


@dataclass(frozen=True)
class TrainedModel:
    """A calibrated model and the record of how it came about.

    Attributes
    ----------
    pipeline : fitted ``CalibratedClassifierCV`` on raw columns
    schema : what it reads
    train_rows, test_rows : positions in the table
    test_probabilities : shape (n_test,)
    base_rate : churn rate of the training rows
    """

    pipeline: CalibratedClassifierCV
    schema: ModelSchema
    record: RunRecord
    train_rows: npt.NDArray[np.int64]
    test_rows: npt.NDArray[np.int64]
    test_probabilities: npt.NDArray[np.float64]
    base_rate: float


def train_model(
    table: pa.Table,
    table_schema: TableSchema,
    settings: Settings,
    *,
    run_id: str,
    now: datetime,
    used_columns: tuple[str, ...],
    left_out: dict[str, str],
    versions: dict[str, str],
    budget_seconds: float | None = None,
    max_trials: int | None = None,
    seed: int | None = None,
    repeat: RunRecord | None = None,
    test_from: datetime | None = None,
    features: dict[str, Any] | None = None,
    features_hash: str = "",
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> TrainedModel:
    """Train on a table of customers.

    Everything is fitted on the training part alone; the test part is used once, at the end.

    Parameters
    ----------
    used_columns : what the model may read; ``left_out`` are the others, with reasons
    versions : of the libraries, for the record
    budget_seconds, seed : None: what the settings say
    max_trials : try so many models, however long it takes; the budget does not count then
    repeat : a recorded run whose winner is fitted again instead of searching
    test_from, features, features_hash : of a panel built from events: its first test date, and the
        FeatureSet as plain data with its hash

    Raises
    ------
    TargetInvalid, TooFewRows : the table cannot be learnt from
    SettingsInvalid : a candidate is not known
    BudgetTooSmall : no candidate was done in time
    Cancelled : asked to stop
    """
    seed = settings.training.seed if seed is None else seed
    columns = settings.columns
    candidates = find_candidates(settings.training.candidates)
    progress(Step("dividing the customers"))
    # Customers are alike when they agree in what the model sees: blocked columns do not count.
    unseen = set(left_out) - {columns.id, columns.time, columns.target}
    seen = columns.model_copy(update={"ignore": tuple(sorted({*columns.ignore, *unseen}))})
    split = split_rows(
        table,
        seen,
        test_share=settings.training.test_share,
        seed=seed,
        test_from=test_from,
        zone=settings.project.zone,
    )
    left = labels(table, columns.target, columns.positive)
    y_train, y_test = left[split.train], left[split.test]
    schema = fit_schema(table, used_columns, split.train, columns)
    if not schema.inputs:
        raise TooFewRows(
            "no column says anything on the training customers.",
            fix="Add customers or columns.",
            rows=len(split.train),
        )
    folds = fold_indices(split, y_train, n_folds=_n_folds(y_train), seed=seed)
    train_frame = model_frame(table.take(pa.array(split.train)), schema)
    encoded = encode_training(
        train_frame,
        y_train,
        schema,
        folds,
        seed=seed,
        customers=split.groups[split.train] if split.kind == "panel" else None,
    )
    if cancel is not None:
        cancel.check()

    trials: tuple[Trial, ...]
    if repeat is None:
        pipeline, found = search_and_fit(
            encoded,
            candidates,
            budget_seconds=None
            if max_trials is not None
            else budget_seconds or settings.training.budget_seconds,
            max_trials=max_trials,
            # A panel is served on scores that it has not seen yet, where isotonic steps end at
            # the extremes of the past; a sigmoid goes on.
            calibration="sigmoid" if split.kind == "panel" else None,
            progress=progress,
            cancel=cancel,
        )
        trials, chosen, calibration = found.trials, found.chosen, found.calibration
        why = found.why
    else:
        progress(Step("fitting the recorded model again"))
        trials, chosen, calibration = repeat.trials, repeat.chosen, repeat.calibration
        why = repeat.why_chosen
        winner = find_candidates([repeat.best.candidate])[0]
        pipeline = refit(
            encoded, winner, repeat.best.params, calibration=calibration, cancel=cancel
        )
    if cancel is not None:
        cancel.check()

    progress(Step("evaluating on customers it never saw"))
    test_table = table.take(pa.array(split.test))
    with one_thread_each():
        X_test = _encoded(encoded, test_table, schema)
        p = encoded_probabilities(pipeline, X_test)
        tail = pipeline.calibrated_classifiers_[0].estimator[1:]
        importance = permutation_importance(
            lambda X: response(tail, X), X_test, y_test, schema.names(), seed=seed
        )
    ranked = [name for name in importance if name in test_table.column_names]
    record = RunRecord(
        run_id=run_id,
        created_at=now,
        data_fingerprint=table_schema.fingerprint,
        feature_hash=features_hash or feature_hash(schema),
        settings=used_settings(settings),
        seed=seed,
        split=split.why,
        n_train=len(split.train),
        n_test=len(split.test),
        trials=trials,
        chosen=chosen,
        why_chosen=why,
        model_schema=schema,
        calibration=calibration,
        evaluation=evaluate(
            y_test,
            p,
            groups=_test_groups(split),
            money=settings.money,
            segments=_segments(test_table, ranked, columns, split, settings.project.zone),
            seed=seed,
        ),
        importance=importance,
        predictions_hash=predictions_hash(p),
        versions=versions,
        used_columns=used_columns,
        left_out={**left_out, **silent_columns(schema, used_columns)},
        test_from=test_from,
        features=features,
    )
    return TrainedModel(
        pipeline=pipeline,
        schema=schema,
        record=record,
        train_rows=split.train,
        test_rows=split.test,
        test_probabilities=p,
        base_rate=float(y_train.mean()),
    )


def _n_folds(y_train: npt.NDArray[np.bool_]) -> int:
    rarer = min(int(y_train.sum()), int((~y_train).sum()))
    return max(2, min(_FOLDS, rarer // _MIN_PER_FOLD))


def _encoded(encoded: Encoded, table: pa.Table, schema: ModelSchema) -> npt.NDArray[np.float64]:
    return np.ascontiguousarray(encoded.encode.transform(model_frame(table, schema)), np.float64)


def _segments(
    test: pa.Table, ranked: list[str], columns: ColumnsTable, split: Split, zone: str
) -> pa.Table:
    """What quality is shown by; of a panel first the dates, so that decay is seen."""
    segments = choose_segments(test, ranked, columns.segments)
    if split.kind != "panel":
        return segments
    dates = test.column(columns.time).to_pylist()
    shown = [f"{one.astimezone(ZoneInfo(zone)):%Y-%m-%d}" for one in dates]
    return segments.add_column(0, columns.time, pa.array(shown, pa.string()))


def _test_groups(split: Split) -> npt.NDArray[np.int64]:
    return split.groups[split.test]
