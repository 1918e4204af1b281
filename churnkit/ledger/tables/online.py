"""States of customers that features are read from while they are scored."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, metadata

online_layouts = sa.Table(
    "online_layouts",
    metadata,
    sa.Column("layout_hash", sa.String(64), primary_key=True),
    sa.Column("feature_hash", sa.String(64), nullable=False),
    sa.Column("description", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

online_state = sa.Table(
    "online_state",
    metadata,
    sa.Column("layout_hash", sa.String(64), primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("state", Document, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)
