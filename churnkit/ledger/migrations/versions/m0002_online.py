"""The online state: what a customer's features are computed from while events come in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of the online state."""
    op.create_table(
        "online_layouts",
        sa.Column("layout_hash", sa.String(64), nullable=False),
        sa.Column("feature_hash", sa.String(64), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("layout_hash", name="pk_online_layouts"),
    )
    op.create_table(
        "online_state",
        sa.Column("layout_hash", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("layout_hash", "customer_id", name="pk_online_state"),
    )


def downgrade() -> None:
    """Drop them: they are made again from the log."""
    op.drop_table("online_state")
    op.drop_table("online_layouts")
