"""Erased customers as keyed pseudonyms, and the project's own keys."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from churnkit.ledger.tables import project_keys, suppressions
from churnkit.ledger.transactions import reading, writing

_CHUNK = 1_000
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
        return connection.execute(sa.select(sa.literal(1)).select_from(suppressions).limit(1)
                                  ).first() is not None  # fmt: skip


def suppressions_mark(engine: sa.Engine) -> tuple[int, datetime | None]:
    """What changes when anybody is erased: how many there are, and when the last one was."""
    query = sa.select(sa.func.count(), sa.func.max(suppressions.c.at))
    with reading(engine) as connection:
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
    wanted = list(pseudonyms)
    found: set[str] = set()
    with reading(engine) as connection:
        for start in range(0, len(wanted), _CHUNK):
            query = sa.select(suppressions.c.pseudonym).where(
                suppressions.c.pseudonym.in_(wanted[start : start + _CHUNK])
            )
            found |= set(connection.execute(query).scalars())
    return found
