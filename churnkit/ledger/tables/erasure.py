"""Keys of this project, and customers who were erased."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Moment, metadata

# Keys of this project, such as the one that makes pseudonyms of customers.
project_keys = sa.Table(
    "project_keys",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("secret", sa.String(128), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)

# Customers who were erased, as keyed pseudonyms: they are not taken in again.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("pseudonym", sa.String(64), primary_key=True),
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)
