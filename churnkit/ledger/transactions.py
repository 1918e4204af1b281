"""One transaction of the ledger, to read or to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from churnkit.ledger.engine import database_errors

_AFTER = "churnkit_after_commit"


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that reads."""
    with database_errors(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine, *, lock: int | None = None) -> Iterator[sa.Connection]:
    """A transaction that writes; with a lock, writers with the same lock come one by one."""
    immediate = engine.execution_options(churnkit_mode="immediate")
    with database_errors(engine), immediate.connect() as connection:
        connection.info.pop(_AFTER, None)  # of a transaction that was rolled back
        with connection.begin():
            if lock is not None and connection.dialect.name == "postgresql":
                connection.execute(sa.text(f"select pg_advisory_xact_lock({lock})"))
            yield connection
        for call in connection.info.pop(_AFTER, ()):
            call()


def after_commit(connection: sa.Connection, call: Callable[[], object]) -> None:
    """Let something be done once the transaction of ``writing`` is committed, if it is."""
    connection.info.setdefault(_AFTER, []).append(call)
