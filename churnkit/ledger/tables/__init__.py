"""The ledger's tables; the migrations make them, a test holds both equal.

All of them are here, by topic: whoever asks for ``metadata`` (migrations, erasers) sees each one.
"""

from __future__ import annotations

from churnkit.ledger.tables.base import Document, Moment, Sorted, metadata
from churnkit.ledger.tables.erasure import project_keys, suppressions
from churnkit.ledger.tables.experiments import experiment_entries, experiment_steps, experiments
from churnkit.ledger.tables.jobs import job_files, jobs
from churnkit.ledger.tables.models import (
    bundle_files,
    journal,
    metrics,
    model_loads,
    model_versions,
    retrainings,
)
from churnkit.ledger.tables.monitoring import (
    alert_history,
    drift_rows,
    drift_streams,
    monthly_metrics,
)
from churnkit.ledger.tables.online import online_layouts, online_state
from churnkit.ledger.tables.outcomes import holdouts, outcomes, treatments
from churnkit.ledger.tables.predictions import latest_scores, predictions, refreshes, score_minutes
from churnkit.ledger.tables.rollouts import (
    rollout_failures,
    rollout_overrides,
    rollout_stages,
    rollout_windows,
    rollouts,
)
from churnkit.ledger.tables.service import (
    api_keys,
    happenings,
    idempotency,
    replicas,
    service_minutes,
)

__all__ = [
    "Document", "Moment", "Sorted", "alert_history", "api_keys", "bundle_files", "drift_rows",
    "drift_streams", "experiment_entries", "experiment_steps", "experiments", "happenings",
    "holdouts", "idempotency", "job_files", "jobs", "journal", "latest_scores", "metadata",
    "metrics", "model_loads", "model_versions", "monthly_metrics", "online_layouts",
    "online_state", "outcomes", "predictions", "project_keys", "refreshes", "replicas",
    "retrainings", "rollout_failures", "rollout_overrides", "rollout_stages", "rollout_windows",
    "rollouts", "score_minutes", "service_minutes", "suppressions", "treatments",
]  # fmt: skip
