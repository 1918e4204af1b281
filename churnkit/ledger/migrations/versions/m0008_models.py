"""The latest score of each customer, figures by the minute, and what replicas have loaded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from churnkit.ledger.tables import Moment, Sorted

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column to the predictions, and make the tables; the service fills them."""
    op.add_column("predictions", sa.Column("written_in", sa.BigInteger))
    if op.get_context().dialect.name == "postgresql":
        # Rows that are there keep NULL: the first refresh takes them all.
        op.execute(
            "alter table predictions alter column written_in "
            "set default (pg_current_xact_id()::text::bigint)"
        )
        # A BRIN index costs an INSERT next to nothing (measured: within the noise).
        op.execute(
            "create index ix_predictions_written_in on predictions using brin (written_in) "
            "with (pages_per_range = 32, autosummarize = on)"
        )
    else:
        op.create_index(
            "ix_predictions_written_in",
            "predictions",
            ["written_in"],
            sqlite_where=sa.text("written_in is not null"),
        )
    op.create_table(
        "latest_scores",
        sa.Column("customer_id", Sorted, nullable=False),
        sa.Column("prediction_id", sa.String(64), nullable=False),
        sa.Column("probability", sa.Double, nullable=False),
        sa.Column("risk_band", sa.String(16), nullable=False),
        sa.Column("risk_rank", sa.SmallInteger, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("variant", sa.String(32), nullable=False),
        sa.Column("made_at", Moment, nullable=False),
        sa.Column("score_stream", sa.String(100)),
        sa.Column("feature_stream", sa.String(100)),
        sa.PrimaryKeyConstraint("customer_id", name="pk_latest_scores"),
    )
    for columns in (
        ["probability", "customer_id"],
        ["made_at", "customer_id"],
        ["risk_rank", "probability", "customer_id"],
        ["model_version", "probability", "customer_id"],
    ):
        op.create_index(f"ix_latest_scores_{'_'.join(columns)}", "latest_scores", columns)
    op.create_table(
        "score_minutes",
        sa.Column("minute", Moment, nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("variant", sa.String(32), nullable=False),
        sa.Column("shadow", sa.Boolean, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("n_unknown", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Double, nullable=False),
        sa.Column("bands", sa.Text, nullable=False),
        sa.Column("bins", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "minute", "model_version", "variant", "shadow", name="pk_score_minutes"
        ),
    )
    op.create_table(
        "refreshes",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("refreshed_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_refreshes"),
    )
    op.create_table(
        "replicas",
        sa.Column("replica", sa.String(32), nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("seen_at", Moment, nullable=False),
        sa.Column("serving", sa.String(64)),
        sa.Column("loaded", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("replica", name="pk_replicas"),
    )
    op.create_table(
        "model_loads",
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("asked_at", Moment, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model_version", name="pk_model_loads"),
    )
    op.create_table(
        "service_minutes",
        sa.Column("minute", Moment, nullable=False),
        sa.Column("replica", sa.String(32), nullable=False),
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("route", sa.String(100), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("statuses", sa.Text, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("buckets", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "minute", "replica", "method", "route", "model_version", name="pk_service_minutes"
        ),
    )
    op.create_table(
        "drift_streams",
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("began_at", Moment, nullable=False),
        sa.Column("updated_at", Moment, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_drift_streams"),
    )
    columns = ["model_version", "began_at"]
    op.create_index("ix_drift_streams_model_version_began_at", "drift_streams", columns)
    op.create_table(
        "drift_rows",
        sa.Column("prediction_id", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(64), nullable=False),
        sa.Column("bins", sa.LargeBinary, nullable=False),
        sa.Column("at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_drift_rows"),
    )
    op.create_index("ix_drift_rows_at", "drift_rows", ["at"])


def downgrade() -> None:
    """Nothing is lost that the predictions do not hold, but figures of the service."""
    for name in (
        "drift_rows",
        "drift_streams",
        "service_minutes",
        "model_loads",
        "replicas",
        "refreshes",
        "score_minutes",
        "latest_scores",
    ):
        op.drop_table(name)
    op.drop_index("ix_predictions_written_in", "predictions")
    with op.batch_alter_table("predictions") as table:
        table.drop_column("written_in")
