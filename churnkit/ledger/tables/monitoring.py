"""Drift, figures by month, and alerts that were sent."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, metadata

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
