"""The record of a training run: enough to repeat it bit for bit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from churnkit.domain.columns import ModelSchema
from churnkit.domain.evaluation import Estimate, Evaluation
from churnkit.domain.frozen import Frozen


class Trial(Frozen):
    """One candidate with one choice of parameters, scored by cross-validation."""

    candidate: str
    params: dict[str, Any]
    log_loss: float
    roc_auc: float
    seconds: float


class RunRecord(Frozen):
    """What a run did.

    ``settings`` is the part of churnkit.toml that the run used (columns, money, training),
    ``split`` says how rows were divided and why, ``predictions_hash`` is the SHA-256 of the
    test probabilities' bytes: a repeated run must reach the same.
    """

    run_id: str
    created_at: datetime
    data_fingerprint: str
    feature_hash: str
    settings: dict[str, Any]
    seed: int
    split: str
    n_train: int
    n_test: int
    trials: tuple[Trial, ...]
    chosen: int
    """Index into ``trials``."""
    why_chosen: str = ""
    """Why this one, where it is not the one with the lowest loss."""
    model_schema: ModelSchema
    calibration: str
    """``sigmoid`` or ``isotonic``."""
    evaluation: Evaluation
    importance: dict[str, Estimate]
    """Loss of ROC AUC on the test set when a raw column is shuffled."""
    predictions_hash: str
    versions: dict[str, str]
    used_columns: tuple[str, ...]
    left_out: dict[str, str]
    """Columns the model does not see, each with the reason."""
    test_from: datetime | None = None
    """Of a panel: the first date of the test."""
    features: dict[str, Any] | None = None
    """Of a panel: the FeatureSet that its columns were built by, as plain data."""

    @property
    def best(self) -> Trial:
        """The trial that won."""
        return self.trials[self.chosen]
