"""What happens, in the ledger's database: written in one order, read from a place on.

A number is taken under a lock that is held until the commit, so that numbers rise in the order in
which their rows become visible: who has read up to one has missed none below it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from churnkit.domain.happenings import Happening
from churnkit.errors import StorageUnreachable
from churnkit.ledger.tables import happenings
from churnkit.ledger.transactions import reading, writing

CHANNEL = "churnkit_happenings"
_LOCK = 0x68617070656E  # "happen"
_CONNECT_SECONDS = 5.0


def announce(
    connection: sa.Connection, kind: str, document: Mapping[str, Any], at: datetime
) -> None:
    """Add a happening to a transaction, as its last step: others that announce wait for it."""
    notify = connection.dialect.name == "postgresql"
    if notify:
        connection.execute(sa.text(f"select pg_advisory_xact_lock({_LOCK})"))
    text = json.dumps(document, ensure_ascii=False)
    connection.execute(sa.insert(happenings), {"at": at, "kind": kind, "document": text})
    if notify:
        connection.execute(sa.text(f"notify {CHANNEL}"))


def read_happenings(engine: sa.Engine, *, after: int, limit: int) -> tuple[Happening, ...]:
    """Happenings with a larger number, in their order."""
    query = (
        sa.select(happenings)
        .where(happenings.c.sequence > after)
        .order_by(happenings.c.sequence)
        .limit(limit)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(Happening(**{**row, "document": json.loads(row["document"])}) for row in rows)


def kept_numbers(engine: sa.Engine) -> tuple[int, int]:
    """The first and the last number that is kept; (1, 0): there is none."""
    query = sa.select(sa.func.min(happenings.c.sequence), sa.func.max(happenings.c.sequence))
    with reading(engine) as connection:
        first, last = connection.execute(query).one()
    return (1, 0) if last is None else (int(first), int(last))


def forget_happenings(engine: sa.Engine, before: datetime) -> int:
    """Delete what happened before a moment, but never the last one; returns how many."""
    last = sa.select(sa.func.max(happenings.c.sequence)).scalar_subquery()
    with writing(engine) as connection:
        done = connection.execute(
            sa.delete(happenings).where(happenings.c.at < before, happenings.c.sequence < last)
        )
    return done.rowcount


@asynccontextmanager
async def listening(url: str, heard: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
    """Hear of happenings on PostgreSQL at once, while the block runs.

    Parameters
    ----------
    url : a SQLAlchemy URL
    heard : called when something happened

    Returns
    -------
    ended : set when the connection is lost

    Raises
    ------
    StorageUnreachable : the database does not answer
    """
    import asyncpg

    dsn = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    ended = asyncio.Event()
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=_CONNECT_SECONDS,
            server_settings={"application_name": "churnkit feed"},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageUnreachable(
            "the ledger's database does not answer.", fix="Try again after a while."
        ) from error
    try:
        connection.add_termination_listener(lambda _: ended.set())
        try:
            await connection.add_listener(CHANNEL, lambda *_: heard())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            ended.set()
        yield ended
    finally:
        connection.terminate()
