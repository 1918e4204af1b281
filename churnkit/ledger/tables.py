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
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
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
    sa.Index("ix_predictions_customer_id_made_at", "customer_id", "made_at"),
    sa.Index("ix_predictions_model_version_made_at", "model_version", "made_at"),
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
