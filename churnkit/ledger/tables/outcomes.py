"""What became true, and what was done about it."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Moment, metadata

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
