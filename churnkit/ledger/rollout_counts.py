"""What a rollout's plan and its looks ask of the ledger besides its customers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from churnkit.ledger.tables import (
    outcomes,
    predictions,
    rollout_windows,
    treatments,
)
from churnkit.ledger.transactions import reading, writing


def any_prediction(
    engine: sa.Engine, rollout_id: str, *, since: datetime | None, until: datetime
) -> bool:
    """Whether a prediction of the rollout looks from [since, until]."""
    table = predictions
    moment = sa.func.coalesce(table.c.as_of, table.c.made_at, type_=table.c.made_at.type)
    query = sa.select(sa.literal(1)).where(table.c.rollout_id == rollout_id, moment <= until)
    if since is not None:
        query = query.where(moment >= since)
    with reading(engine) as connection:
        return connection.execute(query.limit(1)).first() is not None


def latency_windows(
    engine: sa.Engine, rollout_id: str, variant: str, *, since: datetime | None, until: datetime
) -> tuple[float, ...]:
    """What each process's minutes in (since, until] say of a model's latency, in ms."""
    table = rollout_windows
    query = sa.select(table.c.latency_ms).where(
        table.c.rollout_id == rollout_id,
        table.c.variant == variant,
        table.c.requests > 0,
        table.c.at <= until,
    )
    if since is not None:
        query = query.where(table.c.at > since)
    with reading(engine) as connection:
        return tuple(connection.execute(query.order_by(table.c.at)).scalars())


def recent_load(engine: sa.Engine, *, since: datetime, until: datetime) -> tuple[int, int]:
    """Customers with an answered prediction in [since, until), and how many predictions."""
    table = predictions
    query = sa.select(
        sa.func.count(sa.distinct(table.c.customer_id)).label("customers"),
        sa.func.count().label("n"),
    ).where(table.c.shadow_of.is_(None), table.c.made_at >= since, table.c.made_at < until)
    with reading(engine) as connection:
        row = connection.execute(query).one()
    return int(row.customers), int(row.n)


def outcomes_since(engine: sa.Engine, since: datetime) -> bool:
    """Whether an outcome was recorded from a moment on."""
    query = sa.select(sa.literal(1)).where(outcomes.c.recorded_at >= since)
    with reading(engine) as connection:
        return connection.execute(query.limit(1)).first() is not None


def treated_since(engine: sa.Engine, since: datetime) -> bool:
    """Whether anybody was treated from a moment on."""
    query = sa.select(sa.literal(1)).where(
        treatments.c.at >= since, treatments.c.hold_out.is_(False)
    )
    with reading(engine) as connection:
        return connection.execute(query.limit(1)).first() is not None


def add_windows(engine: sa.Engine, windows: Sequence[dict[str, object]]) -> None:
    """Keep what processes saw."""
    with writing(engine) as connection:
        connection.execute(sa.insert(rollout_windows), list(windows))
