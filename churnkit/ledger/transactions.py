"""One transaction of the ledger, to read or to write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from churnkit.ledger.engine import database_errors


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that reads."""
    with database_errors(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine, *, lock: int | None = None) -> Iterator[sa.Connection]:
    """A transaction that writes; with a lock, writers with the same lock come one by one."""
    immediate = engine.execution_options(churnkit_mode="immediate")
    with database_errors(engine), immediate.connect() as connection, connection.begin():
        if lock is not None and connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"select pg_advisory_xact_lock({lock})"))
        yield connection
