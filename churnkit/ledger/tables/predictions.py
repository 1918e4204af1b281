"""What was predicted, and what is made of it."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, Sorted, metadata

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, nullable=False),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("risk_band", sa.String(16), nullable=False),
    sa.Column("variant", sa.String(32), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("reasons", Document, nullable=False),
    sa.Column("as_of", Moment),
    sa.Column("request_id", sa.String(64)),
    sa.Column("rollout_id", sa.String(64)),
    # Of a prediction that did not answer: the one that answered, on the same features.
    sa.Column("shadow_of", sa.String(64)),
    sa.Column("unknown_categories", Document),
    # The transaction that wrote the row; PostgreSQL fills it in, see ``refreshing``.
    sa.Column("written_in", sa.BigInteger),
    sa.Index("ix_predictions_customer_id_made_at", "customer_id", "made_at"),
    sa.Index("ix_predictions_model_version_made_at", "model_version", "made_at"),
    # Only while a rollout runs has a prediction one; the index costs nothing at other times.
    sa.Index(
        "ix_predictions_rollout_id_made_at",
        "rollout_id",
        "made_at",
        sqlite_where=sa.text("rollout_id IS NOT NULL"),
        postgresql_where=sa.text("rollout_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_predictions_shadow_of",
        "shadow_of",
        sqlite_where=sa.text("shadow_of IS NOT NULL"),
        postgresql_where=sa.text("shadow_of IS NOT NULL"),
    ),
)

sa.Index(
    "ix_predictions_written_in",
    predictions.c.written_in,
    postgresql_using="brin",
    # SQLite fills nothing in: there the index is empty.
    sqlite_where=predictions.c.written_in.is_not(None),
)

# What follows is made of the predictions, see ``refreshing``.
latest_scores = sa.Table(
    "latest_scores",
    metadata,
    sa.Column("customer_id", Sorted, primary_key=True),
    sa.Column("prediction_id", sa.String(64), nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("risk_band", sa.String(16), nullable=False),
    sa.Column("risk_rank", sa.SmallInteger, nullable=False),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("variant", sa.String(32), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    # The last drift tests that counted this customer: each counts a customer once.
    sa.Column("score_stream", sa.String(100)),
    sa.Column("feature_stream", sa.String(100)),
    sa.Index("ix_latest_scores_probability_customer_id", "probability", "customer_id"),
    sa.Index("ix_latest_scores_made_at_customer_id", "made_at", "customer_id"),
    sa.Index(
        "ix_latest_scores_risk_rank_probability_customer_id",
        "risk_rank", "probability", "customer_id",
    ),
    sa.Index(
        "ix_latest_scores_model_version_probability_customer_id",
        "model_version", "probability", "customer_id",
    ),
)  # fmt: skip

score_minutes = sa.Table(
    "score_minutes",
    metadata,
    sa.Column("minute", Moment, primary_key=True),
    sa.Column("model_version", sa.String(64), primary_key=True),
    sa.Column("variant", sa.String(32), primary_key=True),
    sa.Column("shadow", sa.Boolean, primary_key=True),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.Column("n_unknown", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Double, nullable=False),
    sa.Column("bands", Document, nullable=False),
    sa.Column("bins", Document, nullable=False),
)

refreshes = sa.Table(
    "refreshes",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("position", Document, nullable=False),
    sa.Column("refreshed_at", Moment, nullable=False),
)
