"""Answers that were given under an Idempotency-Key."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from churnkit.domain.recording import IdempotentAnswer
from churnkit.ledger.tables import idempotency
from churnkit.ledger.transactions import reading, writing


class AnsweredAlready(Exception):
    """Another request with this key was answered a moment earlier; its answer counts."""


def keep_answer(connection: sa.Connection, answer: IdempotentAnswer) -> None:
    """Keep an answer in the transaction of what it stands for.

    Raises
    ------
    AnsweredAlready : there is one under this key; the transaction is to be given up
    """
    known = sa.select(idempotency.c.key).where(
        idempotency.c.owner == answer.owner, idempotency.c.key == answer.key
    )
    if connection.execute(known).first():
        raise AnsweredAlready
    try:
        connection.execute(sa.insert(idempotency), asdict(answer))
    except sa.exc.IntegrityError as error:
        raise AnsweredAlready from error


def find_answer(engine: sa.Engine, owner: str, key: str) -> IdempotentAnswer | None:
    """What was answered under this key, if anything was."""
    query = sa.select(idempotency).where(idempotency.c.owner == owner, idempotency.c.key == key)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else IdempotentAnswer(**row)


def forget_answer(engine: sa.Engine, owner: str, key: str) -> None:
    """Delete the answer under this key."""
    with writing(engine) as connection:
        connection.execute(
            sa.delete(idempotency).where(idempotency.c.owner == owner, idempotency.c.key == key)
        )


def forget_answers(engine: sa.Engine, before: datetime) -> int:
    """Delete the answers that were given before a moment; returns how many."""
    with writing(engine) as connection:
        done = connection.execute(sa.delete(idempotency).where(idempotency.c.created_at < before))
    return done.rowcount
