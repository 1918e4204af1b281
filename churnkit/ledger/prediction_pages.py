"""Recorded predictions page by page, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from churnkit.domain.predictions import PredictionRow
from churnkit.ledger.prediction_rows import read_prediction
from churnkit.ledger.tables import predictions
from churnkit.ledger.transactions import reading

Place = tuple[datetime, str]
"""Where a page ended: the last row's moment and id."""


def predictions_page(
    engine: sa.Engine,
    *,
    customer_id: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: Place | None = None,
    limit: int,
) -> tuple[PredictionRow, ...]:
    """Predictions that answered a request (not their shadows).

    Parameters
    ----------
    since, until : made in [since, until)
    after : the end of the page before; rows that came meanwhile do not shift this page
    """
    table = predictions
    query = sa.select(table).where(table.c.shadow_of.is_(None))
    if customer_id is not None:
        query = query.where(table.c.customer_id == customer_id)
    if since is not None:
        query = query.where(table.c.made_at >= since)
    if until is not None:
        query = query.where(table.c.made_at < until)
    if after is not None:
        moment, name = after
        query = query.where(
            table.c.made_at <= moment,  # what an index can begin at
            sa.or_(
                table.c.made_at < moment,
                sa.and_(table.c.made_at == moment, table.c.prediction_id < name),
            ),
        )
    query = query.order_by(table.c.made_at.desc(), table.c.prediction_id.desc()).limit(limit)
    with reading(engine) as connection:
        if model_version is not None:
            queries = [query.where(table.c.model_version == model_version)]
        elif customer_id is not None:
            queries = [query]
        else:
            # Indexes by time begin with the customer or the version: each version is asked for.
            queries = [query.where(table.c.model_version == one) for one in _versions(connection)]
        rows = [row for one in queries for row in connection.execute(one).mappings()]
    rows.sort(key=lambda row: (row["made_at"], row["prediction_id"]), reverse=True)
    return tuple(read_prediction(row) for row in rows[:limit])


def _versions(connection: sa.Connection) -> Iterator[str]:
    """The versions that predicted: one step in the index for each."""
    column = predictions.c.model_version
    found = connection.execute(sa.select(sa.func.min(column))).scalar()
    while found is not None:
        yield found
        following = sa.select(sa.func.min(column)).where(column > found)
        found = connection.execute(following).scalar()
