"""Parts of jobs' files may lie in a folder that replicas share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the name of the file; null: the row holds the bytes."""
    op.add_column("job_files", sa.Column("place", sa.String(128)))


def downgrade() -> None:
    """Forget the names: parts that lie in the folder are lost."""
    op.drop_column("job_files", "place")
