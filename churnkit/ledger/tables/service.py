"""What the service keeps: its replicas, keys, figures, answers and news."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, metadata

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
