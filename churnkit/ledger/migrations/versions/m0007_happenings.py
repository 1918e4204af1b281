"""What consoles are told as it happens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "happenings",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            nullable=False,
            autoincrement=True,
        ),
        sa.Column("at", Moment, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_happenings"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_happenings_at", "happenings", ["at"])


def downgrade() -> None:
    """Drop it: what it tells is kept elsewhere."""
    op.drop_table("happenings")
