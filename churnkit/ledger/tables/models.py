"""Model versions, their figures and files, and who served when."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, metadata

model_loads = sa.Table(
    "model_loads",
    metadata,
    sa.Column("model_version", sa.String(64), primary_key=True),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
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

bundle_files = sa.Table(
    "bundle_files",
    metadata,
    sa.Column("bundle_hash", sa.String(64), primary_key=True),
    sa.Column("path", sa.String(255), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
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
