"""Rollouts: documents are JSON; none names a customer, but for rollout_overrides."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, metadata

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
