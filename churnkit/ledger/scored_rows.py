"""Recorded predictions as plain rows, for whoever joins them with what became true."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from churnkit.ledger.tables import predictions
from churnkit.ledger.transactions import reading

_CHUNK = 5_000


class ScoredRow(NamedTuple):
    """A prediction without its reasons; ``moment`` is ``as_of``, or when it was made."""

    prediction_id: str
    customer_id: str
    moment: datetime
    model_version: str
    probability: float
    variant: str
    shadow_of: str | None
    rollout_id: str | None


def scored_rows(
    engine: sa.Engine,
    *,
    rollout_id: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[ScoredRow]:
    """Predictions that look from [since, until], answering ones and shadows, in no order."""
    table = predictions
    moment = sa.func.coalesce(table.c.as_of, table.c.made_at, type_=table.c.made_at.type)
    query = sa.select(
        table.c.prediction_id,
        table.c.customer_id,
        moment.label("moment"),
        table.c.model_version,
        table.c.probability,
        table.c.variant,
        table.c.shadow_of,
        table.c.rollout_id,
    )
    if rollout_id is not None:
        query = query.where(table.c.rollout_id == rollout_id)
    if model_version is not None:
        query = query.where(table.c.model_version == model_version)
    if since is not None:
        query = query.where(moment >= since)
    if until is not None:
        query = query.where(moment <= until)
    with reading(engine) as connection:
        result = connection.execution_options(yield_per=_CHUNK).execute(query)
        for row in result:
            yield ScoredRow(*row)
