"""Rollouts: their plans, steps, overrides, and what is read off the models while one runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make five tables, and two indexes of the predictions that belong to a rollout."""
    op.create_index(
        "ix_predictions_rollout_id_made_at",
        "predictions",
        ["rollout_id", "made_at"],
        sqlite_where=sa.text("rollout_id IS NOT NULL"),
        postgresql_where=sa.text("rollout_id IS NOT NULL"),
    )
    op.create_index(
        "ix_predictions_shadow_of",
        "predictions",
        ["shadow_of"],
        sqlite_where=sa.text("shadow_of IS NOT NULL"),
        postgresql_where=sa.text("shadow_of IS NOT NULL"),
    )
    op.create_table(
        "rollouts",
        sa.Column("rollout_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("champion", sa.String(64), nullable=False),
        sa.Column("challenger", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("days_to_mature", sa.Double, nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("forecast", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("looked_at", Moment),
        sa.Column("ended_at", Moment),
        sa.Column("outcome", sa.String(16)),
        sa.PrimaryKeyConstraint("rollout_id", name="pk_rollouts"),
        sa.UniqueConstraint("number", name="uq_rollouts_number"),
    )
    op.create_table(
        "rollout_stages",
        sa.Column("rollout_id", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("share", sa.Double, nullable=False),
        sa.Column("pairs", sa.Integer, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "sequence", name="pk_rollout_stages"),
    )
    op.create_table(
        "rollout_overrides",
        sa.Column("rollout_id", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("arm", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("rollout_id", "customer_id", name="pk_rollout_overrides"),
    )
    op.create_index("ix_rollout_overrides_customer_id", "rollout_overrides", ["customer_id"])
    op.create_table(
        "rollout_failures",
        sa.Column("prediction_id", sa.String(64), nullable=False),
        sa.Column("rollout_id", sa.String(64), nullable=False),
        sa.Column("variant", sa.String(32), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("why", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_rollout_failures"),
    )
    op.create_table(
        "rollout_windows",
        sa.Column("rollout_id", sa.String(64), nullable=False),
        sa.Column("process", sa.String(64), nullable=False),
        sa.Column("variant", sa.String(32), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("shed", sa.Integer, nullable=False),
        sa.Column("latency_ms", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint(
            "rollout_id", "process", "variant", "at", name="pk_rollout_windows"
        ),
    )
