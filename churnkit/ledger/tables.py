"""The ledger's tables; the migrations make them, a test holds both equal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

naming = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}
metadata = sa.MetaData(naming_convention=naming)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond; SQLite keeps text that sorts as time does."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Text on SQLite, which has no moments."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(32))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
        return moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)  # with its Z; thirty times as quick as strptime
        moment: datetime = value
        return moment.astimezone(UTC)


# Text on both engines: what was hashed comes back to the letter.
Document = sa.Text

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("risk_band", sa.String(16), nullable=False),
    sa.Column("variant", sa.String(32), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("reasons", Document, nullable=False),
    sa.Column("as_of", Moment),
    sa.Column("request_id", sa.String(64)),
    sa.Column("rollout_id", sa.String(64)),
    # Of a prediction that did not answer: the one that answered, on the same features.
    sa.Column("shadow_of", sa.String(64)),
    sa.Column("unknown_categories", Document),
    # The transaction that wrote the row; PostgreSQL fills it in, see ``refreshing``.
    sa.Column("written_in", sa.BigInteger),
    sa.Index("ix_predictions_customer_id_made_at", "customer_id", "made_at"),
    sa.Index("ix_predictions_model_version_made_at", "model_version", "made_at"),
    # Only while a rollout runs has a prediction one; the index costs nothing at other times.
    sa.Index(
        "ix_predictions_rollout_id_made_at",
        "rollout_id",
        "made_at",
        sqlite_where=sa.text("rollout_id IS NOT NULL"),
        postgresql_where=sa.text("rollout_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_predictions_shadow_of",
        "shadow_of",
        sqlite_where=sa.text("shadow_of IS NOT NULL"),
        postgresql_where=sa.text("shadow_of IS NOT NULL"),
    ),
)
sa.Index(
    "ix_predictions_written_in",
    predictions.c.written_in,
    postgresql_using="brin",
    # SQLite fills nothing in: there the index is empty.
    sqlite_where=predictions.c.written_in.is_not(None),
)

# Sorted by bytes on both engines, so that a beginning can be looked up in the index.
Sorted = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# What follows is made of the predictions, see ``refreshing``.
latest_scores = sa.Table(
    "latest_scores",
    metadata,
    sa.Column("customer_id", Sorted, primary_key=True),
    sa.Column("prediction_id", sa.String(64), nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("risk_band", sa.String(16), nullable=False),
    sa.Column("risk_rank", sa.SmallInteger, nullable=False),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("variant", sa.String(32), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    # The last drift tests that counted this customer: each counts a customer once.
    sa.Column("score_stream", sa.String(100)),
    sa.Column("feature_stream", sa.String(100)),
    sa.Index("ix_latest_scores_probability_customer_id", "probability", "customer_id"),
    sa.Index("ix_latest_scores_made_at_customer_id", "made_at", "customer_id"),
    sa.Index(
        "ix_latest_scores_risk_rank_probability_customer_id",
        "risk_rank", "probability", "customer_id",
    ),
    sa.Index(
        "ix_latest_scores_model_version_probability_customer_id",
        "model_version", "probability", "customer_id",
    ),
)  # fmt: skip

score_minutes = sa.Table(
    "score_minutes",
    metadata,
    sa.Column("minute", Moment, primary_key=True),
    sa.Column("model_version", sa.String(64), primary_key=True),
    sa.Column("variant", sa.String(32), primary_key=True),
    sa.Column("shadow", sa.Boolean, primary_key=True),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.Column("n_unknown", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Double, nullable=False),
    sa.Column("bands", Document, nullable=False),
    sa.Column("bins", Document, nullable=False),
)

refreshes = sa.Table(
    "refreshes",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("position", Document, nullable=False),
    sa.Column("refreshed_at", Moment, nullable=False),
)

# What the replicas of the service say of themselves.
replicas = sa.Table(
    "replicas",
    metadata,
    sa.Column("replica", sa.String(32), primary_key=True),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("serving", sa.String(64)),
    sa.Column("loaded", Document, nullable=False),
)

model_loads = sa.Table(
    "model_loads",
    metadata,
    sa.Column("model_version", sa.String(64), primary_key=True),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
)

service_minutes = sa.Table(
    "service_minutes",
    metadata,
    sa.Column("minute", Moment, primary_key=True),
    sa.Column("replica", sa.String(32), primary_key=True),
    sa.Column("method", sa.String(8), primary_key=True),
    sa.Column("route", sa.String(100), primary_key=True),
    sa.Column("model_version", sa.String(64), primary_key=True),
    sa.Column("statuses", Document, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("buckets", Document, nullable=False),
)

drift_streams = sa.Table(
    "drift_streams",
    metadata,
    sa.Column("stream", sa.String(100), primary_key=True),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("began_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("state", Document, nullable=False),
    sa.Index("ix_drift_streams_model_version_began_at", "model_version", "began_at"),
)

drift_rows = sa.Table(
    "drift_rows",
    metadata,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("bins", sa.LargeBinary, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Index("ix_drift_rows_at", "at"),
)

model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("version", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("candidate", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("bundle_hash", sa.String(64), nullable=False),
    sa.Column("data_fingerprint", sa.String(64), nullable=False),
)

metrics = sa.Table(
    "metrics",
    metadata,
    sa.Column("model_version", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("at", Moment, primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("low", sa.Double, nullable=False),
    sa.Column("high", sa.Double, nullable=False),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("alias", sa.String(16), nullable=False),
    sa.Column("version", sa.String(64)),
    sa.Column("previous_version", sa.String(64)),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("evidence", Document, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

online_layouts = sa.Table(
    "online_layouts",
    metadata,
    sa.Column("layout_hash", sa.String(64), primary_key=True),
    sa.Column("feature_hash", sa.String(64), nullable=False),
    sa.Column("description", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

online_state = sa.Table(
    "online_state",
    metadata,
    sa.Column("layout_hash", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("state", Document, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)

# Small tables of the service.
api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.String(16), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False),
    sa.Column("scopes", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("revoked_at", Moment),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("ix_idempotency_created_at", "created_at"),
)

bundle_files = sa.Table(
    "bundle_files",
    metadata,
    sa.Column("bundle_hash", sa.String(64), primary_key=True),
    sa.Column("path", sa.String(255), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("request", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Column("rows_total", sa.BigInteger),
    sa.Column("rows_done", sa.BigInteger, nullable=False),
    sa.Column("rows_failed", sa.BigInteger, nullable=False),
    sa.Column("progress", sa.Double),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("checkpoint", Document, nullable=False),
    sa.Column("result", Document),
    sa.Column("error", Document),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    # Who works on it: claims are counted, so that a process that was given up writes no more.
    sa.Column("claim", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Index("ix_jobs_state_created_at", "state", "created_at"),
    sa.Index("ix_jobs_kind_created_at", "kind", "created_at"),
)

job_files = sa.Table(
    "job_files",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    # The file below service.files that holds the bytes; null: they are in this row.
    sa.Column("place", sa.String(128)),
)

# What became true, and what was done about it.
outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("outcome_id", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("as_of", Moment),
    sa.Column("observed_from", Moment),
    sa.Column("observed_to", Moment),
    sa.Column("churned_at", Moment),
    # Null: settled, but no label; the customer was not among those who are asked about.
    sa.Column("churned", sa.Boolean),
    sa.Column("value", sa.Double),
    sa.Column("known_at", Moment, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Index("ix_outcomes_customer_id_known_at", "customer_id", "known_at"),
    sa.Index("ix_outcomes_recorded_at", "recorded_at"),
)

treatments = sa.Table(
    "treatments",
    metadata,
    sa.Column("treatment_id", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("offer", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text, nullable=False),
    # Of being treated, as it was when the choice was drawn.
    sa.Column("assignment_probability", sa.Double),
    # Drawn, and left untreated.
    sa.Column("hold_out", sa.Boolean, nullable=False),
    sa.Column("cost", sa.Double),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Index("ix_treatments_customer_id_at", "customer_id", "at"),
    sa.Index("ix_treatments_at", "at"),
)

holdouts = sa.Table(
    "holdouts",
    metadata,
    sa.Column("holdout_id", sa.String(64), primary_key=True),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("share", sa.Double, nullable=False),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("valid_from", Moment, nullable=False),
    sa.Column("valid_until", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)

monthly_metrics = sa.Table(
    "monthly_metrics",
    metadata,
    sa.Column("model_version", sa.String(64), primary_key=True),
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("low", sa.Double, nullable=False),
    sa.Column("high", sa.Double, nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("measured_at", Moment, nullable=False),
)

# What was sent to persons, so that they are not disturbed too often.
alert_history = sa.Table(
    "alert_history",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("content", Document, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)

# Keys of this project, such as the one that makes pseudonyms of customers.
project_keys = sa.Table(
    "project_keys",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("secret", sa.String(128), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

# Customers who were erased, as keyed pseudonyms: they are not taken in again.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("pseudonym", sa.String(64), primary_key=True),
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)

# Rollouts: documents are JSON; none of them names a customer, but for rollout_overrides.
rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("rollout_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("champion", sa.String(64), nullable=False),
    sa.Column("challenger", sa.String(64), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("plan", Document, nullable=False),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("days_to_mature", sa.Double, nullable=False),
    sa.Column("position", Document, nullable=False),
    sa.Column("evidence", Document, nullable=False),
    sa.Column("forecast", Document, nullable=False),
    sa.Column("decision", Document, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("looks", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("looked_at", Moment),
    sa.Column("ended_at", Moment),
    sa.Column("outcome", sa.String(16)),
)

# What was done with a rollout when, and what was seen then.
rollout_stages = sa.Table(
    "rollout_stages",
    metadata,
    sa.Column("rollout_id", sa.String(64), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("share", sa.Double, nullable=False),
    sa.Column("pairs", sa.Integer, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("decision", Document, nullable=False),
)

# Customers whose arm a person chose.
rollout_overrides = sa.Table(
    "rollout_overrides",
    metadata,
    sa.Column("rollout_id", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("arm", sa.String(16), nullable=False),
    sa.Index("ix_rollout_overrides_customer_id", "customer_id"),
)

# A model that could not score what the other one answered.
rollout_failures = sa.Table(
    "rollout_failures",
    metadata,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("rollout_id", sa.String(64), nullable=False),
    sa.Column("variant", sa.String(32), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("why", sa.String(64), nullable=False),
)

# How a process's models did in a minute.
rollout_windows = sa.Table(
    "rollout_windows",
    metadata,
    sa.Column("rollout_id", sa.String(64), primary_key=True),
    sa.Column("process", sa.String(64), primary_key=True),
    sa.Column("variant", sa.String(32), primary_key=True),
    sa.Column("at", Moment, primary_key=True),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("shed", sa.Integer, nullable=False),
    sa.Column("latency_ms", sa.Double, nullable=False),
)

# Experiments: who was drawn into which arm; documents are JSON, and name no customer.
experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("experiment_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("plan", Document, nullable=False),
    sa.Column("salt", sa.String(64), nullable=False),
    sa.Column("versions", Document, nullable=False),
    sa.Column("champion", sa.String(64), nullable=False),
    sa.Column("days_to_mature", sa.Double, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("stopped_at", Moment),
)

experiment_entries = sa.Table(
    "experiment_entries",
    metadata,
    sa.Column("experiment_id", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("arm", sa.String(32), nullable=False),
    # What he really got; another arm's where his own could not answer.
    sa.Column("given", sa.String(32), nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("entered_at", Moment, nullable=False),
    sa.Column("moment", Moment, nullable=False),
    sa.Column("score", sa.Double),
    sa.Index("ix_experiment_entries_customer_id", "customer_id"),
    sa.Index("ix_experiment_entries_entered_at", "entered_at"),
)

experiment_steps = sa.Table(
    "experiment_steps",
    metadata,
    sa.Column("experiment_id", sa.String(64), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("document", Document, nullable=False),
)

# New models made by themselves: how far each has come.
retrainings = sa.Table(
    "retrainings",
    metadata,
    sa.Column("retraining_id", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("step", sa.String(16), nullable=False),
    sa.Column("content", Document, nullable=False),
    # Who works on it; after some time without a sign of life another process goes on.
    sa.Column("claim", sa.Integer, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
)

# What consoles are told as it happens; of who serves and of decisions the journal tells.
happenings = sa.Table(
    "happenings",
    metadata,
    sa.Column(
        "sequence",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("at", Moment, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("document", Document, nullable=False),
    sa.Index("ix_happenings_at", "at"),
    sqlite_autoincrement=True,
)
