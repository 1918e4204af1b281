"""Run by Alembic, on the connection that churnkit hands over."""

from __future__ import annotations

from alembic import context

from churnkit.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="churnkit_migrations",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
