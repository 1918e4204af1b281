"""Predictions, model versions, metrics and the journal, which nobody may change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_REFUSE = "the journal is append-only"


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "predictions",
        sa.Column("prediction_id", sa.String(64), nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("risk_band", sa.String(16), nullable=False),
        sa.Column("variant", sa.String(32), nullable=False),
        sa.Column("made_at", Moment, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_predictions"),
    )
    op.create_index("ix_predictions_customer_id_made_at", "predictions", ["customer_id", "made_at"])
    op.create_index(
        "ix_predictions_model_version_made_at", "predictions", ["model_version", "made_at"]
    )
    op.create_table(
        "model_versions",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("candidate", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("bundle_hash", sa.String(64), nullable=False),
        sa.Column("data_fingerprint", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_model_versions"),
        sa.UniqueConstraint("number", name="uq_model_versions_number"),
    )
    op.create_table(
        "metrics",
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("model_version", "name", "at", name="pk_metrics"),
    )
    op.create_table(
        "journal",
        sa.Column("sequence", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("alias", sa.String(16), nullable=False),
        sa.Column("version", sa.String(64)),
        sa.Column("previous_version", sa.String(64)),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_journal"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(
                f"create trigger journal_no_{verb} before {verb} on journal "
                f"begin select raise(abort, '{_REFUSE}'); end"
            )
        return
    op.execute(
        "create function churnkit_journal_is_append_only() returns trigger language plpgsql as "
        f"$$ begin raise exception '{_REFUSE}'; end $$"
    )
    op.execute(
        "create trigger journal_append_only before update or delete or truncate on journal "
        "for each statement execute function churnkit_journal_is_append_only()"
    )
