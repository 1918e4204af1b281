"""Experiments: who was drawn into which arm; documents are JSON, and name no customer."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, metadata

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
