"""Erased customers as keyed pseudonyms, and the project's own keys.

Who was read before he was erased must not be written afterwards. So every transaction that writes
rows of customers asks *within itself* who was erased (``hold_erasures``, then
``pseudonyms_within``), and whoever erases waits, between the suppression and the sweep, until all
transactions that may have asked before have ended (``wait_for_writers``): they saw the suppression,
or the sweep sees what they wrote. SQLite has one writer at a time, and needs neither.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from datetime import datetime

import sqlalchemy as sa

from churnkit.errors import LedgerBusy
from churnkit.ledger.tables import project_keys, suppressions
from churnkit.ledger.transactions import reading, writing

ErasedWithin = Callable[[sa.Connection, Iterable[str]], set[str]]
"""Which of some customers were erased; holds until the connection's transaction ends."""

_CHUNK = 1_000
_LOOK_SECONDS = 0.05
_WRITERS = sa.text(
    # Each transaction that writes predictions, or that holds what it was told of erasures.
    """
    select distinct virtualtransaction from pg_locks
    where locktype = 'relation' and mode = 'RowExclusiveLock' and granted
        and relation in ('predictions'::regclass, 'suppressions'::regclass)
        and database = (select oid from pg_database where datname = current_database())
    """
)
_LOCK = 0x70726F6A6B6579  # "projkey"


def project_key(engine: sa.Engine, name: str, now: datetime) -> bytes:
    """A secret of this project, made when it is asked for first; one for all processes."""
    query = sa.select(project_keys.c.secret).where(project_keys.c.name == name)
    with reading(engine) as connection:
        found = connection.execute(query).scalar_one_or_none()
    if found is None:
        with writing(engine, lock=_LOCK) as connection:
            found = connection.execute(query).scalar_one_or_none()
            if found is None:
                found = secrets.token_hex(32)
                connection.execute(
                    sa.insert(project_keys), {"name": name, "secret": found, "created_at": now}
                )
    return bytes.fromhex(found)


def add_suppression(
    connection: sa.Connection, pseudonym: str, *, key_id: str, at: datetime, why: str
) -> bool:
    """Keep a pseudonym; False where it is kept already."""
    query = sa.select(suppressions.c.at).where(suppressions.c.pseudonym == pseudonym)
    if connection.execute(query).first() is not None:
        return False
    values = {"pseudonym": pseudonym, "key_id": key_id, "at": at, "why": why}
    connection.execute(sa.insert(suppressions), values)
    return True


def remove_suppression(connection: sa.Connection, pseudonym: str) -> bool:
    """Forget a pseudonym; False where it is not kept."""
    mine = sa.delete(suppressions).where(suppressions.c.pseudonym == pseudonym)
    return connection.execute(mine).rowcount > 0


def any_suppressed(engine: sa.Engine) -> bool:
    """Whether anybody was erased."""
    with reading(engine) as connection:
        return any_within(connection)


def any_within(connection: sa.Connection) -> bool:
    """Whether anybody was erased, as a transaction sees it."""
    query = sa.select(sa.literal(1)).select_from(suppressions).limit(1)
    return connection.execute(query).first() is not None


def suppressions_mark(engine: sa.Engine) -> tuple[int, datetime | None]:
    """What changes when anybody is erased: how many there are, and when the last one was."""
    with reading(engine) as connection:
        return mark_within(connection)


def mark_within(connection: sa.Connection) -> tuple[int, datetime | None]:
    """The same, as a transaction sees it."""
    query = sa.select(sa.func.count(), sa.func.max(suppressions.c.at))
    n, last = connection.execute(query).one()
    return int(n), last


def all_pseudonyms(engine: sa.Engine) -> list[str]:
    """All pseudonyms that are kept."""
    with reading(engine) as connection:
        return list(connection.execute(sa.select(suppressions.c.pseudonym)).scalars())


def suppression_keys(engine: sa.Engine) -> set[str]:
    """The ids of the keys that made the pseudonyms."""
    with reading(engine) as connection:
        return set(connection.execute(sa.select(suppressions.c.key_id).distinct()).scalars())


def known_pseudonyms(engine: sa.Engine, pseudonyms: Iterable[str]) -> set[str]:
    """Which of these are kept."""
    with reading(engine) as connection:
        return pseudonyms_within(connection, pseudonyms)


def pseudonyms_within(connection: sa.Connection, pseudonyms: Iterable[str]) -> set[str]:
    """Which of these are kept, as a transaction sees it."""
    wanted = list(pseudonyms)
    found: set[str] = set()
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(suppressions.c.pseudonym).where(
            suppressions.c.pseudonym.in_(wanted[start : start + _CHUNK])
        )
        found |= set(connection.execute(query).scalars())
    return found


def hold_erasures(connection: sa.Connection) -> None:
    """From now on whoever erases waits for this transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("lock table suppressions in row exclusive mode"))


def wait_for_writers(engine: sa.Engine, *, at_most_seconds: float) -> None:
    """Until all transactions have ended that may not have seen what was committed before.

    Nobody else waits meanwhile: locks are looked at, none is taken.

    Raises
    ------
    LedgerBusy : one of them goes on for too long
    """
    if engine.dialect.name != "postgresql":
        return
    until = time.monotonic() + at_most_seconds
    with reading(engine) as connection:
        before = set(connection.execute(_WRITERS).scalars())
    while before:
        if time.monotonic() > until:
            raise LedgerBusy(
                f"{len(before)} transactions have been writing for {at_most_seconds:.0f} s, and may"
                " still write what was to be erased.",
                fix="Run the command again when they have ended; it goes on from here.",
            )
        time.sleep(_LOOK_SECONDS)  # the database tells nobody when a transaction ends
        with reading(engine) as connection:
            before &= set(connection.execute(_WRITERS).scalars())
