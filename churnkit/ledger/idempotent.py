"""Answers that were given under an Idempotency-Key."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from churnkit.domain.recording import IdempotentAnswer
from churnkit.ledger.tables import idempotency
from churnkit.ledger.transactions import reading, writing


def find_answer(engine: sa.Engine, owner: str, key: str) -> IdempotentAnswer | None:
    """What was answered under this key, if anything was."""
    query = sa.select(idempotency).where(idempotency.c.owner == owner, idempotency.c.key == key)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else IdempotentAnswer(**row)


def keep_answer(connection: sa.Connection, answer: IdempotentAnswer) -> bool:
    """Add an answer to a transaction; False: another one was given under its key meanwhile."""
    insert = (postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert)(
        idempotency
    )
    done = connection.execute(insert.on_conflict_do_nothing(), asdict(answer))
    return bool(done.rowcount)


def forget_answers(engine: sa.Engine, before: datetime) -> int:
    """Delete the answers that were given before a moment; returns how many."""
    with writing(engine) as connection:
        done = connection.execute(sa.delete(idempotency).where(idempotency.c.created_at < before))
    return done.rowcount
