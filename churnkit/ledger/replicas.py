"""What the replicas of the service say of themselves, and which models they are to load."""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa

from churnkit.domain.replicas import Loaded, Replica
from churnkit.ledger.tables import model_loads, replicas
from churnkit.ledger.transactions import reading, writing
from churnkit.ledger.upserts import replace_rows


def say_alive(engine: sa.Engine, replica: Replica, forget_before: datetime) -> None:
    """Write what a replica is, and forget those that were not seen for long."""
    values = {
        "replica": replica.replica,
        "started_at": replica.started_at,
        "seen_at": replica.seen_at,
        "serving": replica.serving,
        "loaded": json.dumps([one.model_dump(mode="json") for one in replica.loaded]),
    }
    with writing(engine) as connection:
        replace_rows(connection, replicas, [values])
        connection.execute(sa.delete(replicas).where(replicas.c.seen_at < forget_before))


def say_gone(engine: sa.Engine, replica: str) -> None:
    """A replica ends."""
    with writing(engine) as connection:
        connection.execute(sa.delete(replicas).where(replicas.c.replica == replica))


def alive(engine: sa.Engine, since: datetime) -> tuple[Replica, ...]:
    """The replicas that were seen since a moment, by their start."""
    query = (
        sa.select(replicas)
        .where(replicas.c.seen_at >= since)
        .order_by(replicas.c.started_at, replicas.c.replica)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(
        Replica(**{**row, "loaded": [Loaded(**one) for one in json.loads(row["loaded"])]})
        for row in rows
    )


def ask_for_load(engine: sa.Engine, version: str, *, at: datetime, by: str, most: int) -> None:
    """Every replica shall have this model ready; of more than ``most`` the oldest is let go."""
    with writing(engine) as connection:
        values = {"model_version": version, "asked_at": at, "asked_by": by}
        replace_rows(connection, model_loads, [values])
        newest = (
            sa.select(model_loads.c.model_version)
            .order_by(model_loads.c.asked_at.desc(), model_loads.c.model_version)
            .limit(most)
        )
        connection.execute(sa.delete(model_loads).where(model_loads.c.model_version.not_in(newest)))


def wanted_loads(engine: sa.Engine) -> tuple[str, ...]:
    """The models that every replica shall have ready, the newest request first."""
    query = sa.select(model_loads.c.model_version).order_by(model_loads.c.asked_at.desc())
    with reading(engine) as connection:
        return tuple(connection.execute(query).scalars())
