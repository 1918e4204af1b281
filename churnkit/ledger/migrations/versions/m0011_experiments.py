"""Experiments: their plans, who was drawn into which arm, and what was done with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make three tables."""
    op.create_table(
        "experiments",
        sa.Column("experiment_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
        sa.Column("champion", sa.String(64), nullable=False),
        sa.Column("days_to_mature", sa.Double, nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("stopped_at", Moment),
        sa.PrimaryKeyConstraint("experiment_id", name="pk_experiments"),
        sa.UniqueConstraint("number", name="uq_experiments_number"),
    )
    op.create_table(
        "experiment_entries",
        sa.Column("experiment_id", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("arm", sa.String(32), nullable=False),
        sa.Column("given", sa.String(32), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("entered_at", Moment, nullable=False),
        sa.Column("moment", Moment, nullable=False),
        sa.Column("score", sa.Double),
        sa.PrimaryKeyConstraint("experiment_id", "customer_id", name="pk_experiment_entries"),
    )
    op.create_index("ix_experiment_entries_customer_id", "experiment_entries", ["customer_id"])
    op.create_index("ix_experiment_entries_entered_at", "experiment_entries", ["entered_at"])
    op.create_table(
        "experiment_steps",
        sa.Column("experiment_id", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("experiment_id", "sequence", name="pk_experiment_steps"),
    )


def downgrade() -> None:
    """Drop them; outcomes and predictions stay."""
    op.drop_table("experiment_steps")
    op.drop_table("experiment_entries")
    op.drop_table("experiments")
