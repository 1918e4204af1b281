"""New models made by themselves, and how far each has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "retrainings",
        sa.Column("retraining_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("claim", sa.Integer, nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        sa.Column("ended_at", Moment),
        sa.PrimaryKeyConstraint("retraining_id", name="pk_retrainings"),
        sa.UniqueConstraint("number", name="uq_retrainings_number"),
    )


def downgrade() -> None:
    """Drop it; the models stay."""
    op.drop_table("retrainings")
