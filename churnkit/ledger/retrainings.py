"""Retrainings: at most one is open, one process works on it, and its steps are written down."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from churnkit.domain.retraining import RetrainingRow, RetrainingStep
from churnkit.errors import ClaimLost
from churnkit.ledger.tables import retrainings
from churnkit.ledger.transactions import reading, writing

_LOCK = 7_203_117
"""Processes that begin or take over one come one by one."""


def read_retrainings(engine: sa.Engine) -> tuple[RetrainingRow, ...]:
    """All of them, the oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(sa.select(retrainings).order_by(retrainings.c.number)).mappings()
        return tuple(_row(row) for row in rows)


def begin_retraining(
    engine: sa.Engine, content: dict[str, Any], *, now: datetime
) -> RetrainingRow | None:
    """A new one, held by the caller; None where another one is open."""
    with writing(engine, lock=_LOCK) as connection:
        if _open(connection) is not None:
            return None
        highest = connection.execute(sa.select(sa.func.max(retrainings.c.number))).scalar()
        number = (highest or 0) + 1
        row = RetrainingRow(
            retraining_id=f"t{number}",
            number=number,
            started_at=now,
            step="data",
            content=content,
            claim=1,
            seen_at=now,
        )
        values = {**row.model_dump(), "content": json.dumps(content)}
        connection.execute(sa.insert(retrainings).values(values))
        return row


def take_over(engine: sa.Engine, *, now: datetime, silent: timedelta) -> RetrainingRow | None:
    """The open one, if its process has given no sign of life for so long; the caller holds it."""
    with writing(engine, lock=_LOCK) as connection:
        row = _open(connection)
        if row is None or now - row.seen_at < silent:
            return None
        taken = row.model_copy(update={"claim": row.claim + 1, "seen_at": now})
        connection.execute(
            sa.update(retrainings)
            .where(retrainings.c.retraining_id == row.retraining_id)
            .values(claim=taken.claim, seen_at=now)
        )
        return taken


def write_step(
    engine: sa.Engine,
    row: RetrainingRow,
    step: RetrainingStep,
    content: dict[str, Any],
    *,
    now: datetime,
) -> RetrainingRow:
    """The next step, and what was found before it; ``done`` ends it.

    Raises
    ------
    ClaimLost : another process has taken it over
    """
    ended = now if step == "done" else None
    with writing(engine) as connection:
        done = connection.execute(
            sa.update(retrainings)
            .where(
                retrainings.c.retraining_id == row.retraining_id,
                retrainings.c.claim == row.claim,
                retrainings.c.ended_at.is_(None),
            )
            .values(step=step, content=json.dumps(content), seen_at=now, ended_at=ended)
        )
        if done.rowcount != 1:
            raise ClaimLost(
                f"another process goes on with {row.retraining_id}.",
                fix="Nothing is lost: see 'churnkit retrain --status'.",
                retraining=row.retraining_id,
            )
    return row.model_copy(
        update={"step": step, "content": content, "seen_at": now, "ended_at": ended}
    )


def _open(connection: sa.Connection) -> RetrainingRow | None:
    query = sa.select(retrainings).where(retrainings.c.ended_at.is_(None))
    row = connection.execute(query).mappings().first()
    return None if row is None else _row(row)


def _row(row: sa.RowMapping) -> RetrainingRow:
    return RetrainingRow(**{**row, "content": json.loads(row["content"])})
