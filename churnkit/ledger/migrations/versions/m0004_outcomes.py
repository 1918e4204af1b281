"""Outcomes, treatments, hold-outs; monthly figures; what erasure leaves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("as_of", Moment),
        sa.Column("observed_from", Moment),
        sa.Column("observed_to", Moment),
        sa.Column("churned_at", Moment),
        sa.Column("churned", sa.Boolean),
        sa.Column("value", sa.Double),
        sa.Column("known_at", Moment, nullable=False),
        sa.Column("recorded_at", Moment, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("outcome_id", name="pk_outcomes"),
    )
    op.create_index("ix_outcomes_customer_id_known_at", "outcomes", ["customer_id", "known_at"])
    op.create_index("ix_outcomes_recorded_at", "outcomes", ["recorded_at"])
    op.create_table(
        "treatments",
        sa.Column("treatment_id", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("offer", sa.Text, nullable=False),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("assignment_probability", sa.Double),
        sa.Column("hold_out", sa.Boolean, nullable=False),
        sa.Column("cost", sa.Double),
        sa.Column("recorded_at", Moment, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("treatment_id", name="pk_treatments"),
    )
    op.create_index("ix_treatments_customer_id_at", "treatments", ["customer_id", "at"])
    op.create_index("ix_treatments_at", "treatments", ["at"])
    op.create_table(
        "holdouts",
        sa.Column("holdout_id", sa.String(64), nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("share", sa.Double, nullable=False),
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("valid_from", Moment, nullable=False),
        sa.Column("valid_until", Moment),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("holdout_id", name="pk_holdouts"),
    )
    op.create_table(
        "monthly_metrics",
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("measured_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("model_version", "month", "name", name="pk_monthly_metrics"),
    )
    op.create_table(
        "alert_history",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_alert_history"),
    )
    op.create_table(
        "project_keys",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("secret", sa.String(128), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_project_keys"),
    )
    op.create_table(
        "suppressions",
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pseudonym", name="pk_suppressions"),
    )
