"""Recorded predictions page by page, the newest first."""

from __future__ import annotations

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
    if model_version is not None:
        query = query.where(table.c.model_version == model_version)
    if since is not None:
        query = query.where(table.c.made_at >= since)
    if until is not None:
        query = query.where(table.c.made_at < until)
    if after is not None:
        moment, name = after
        query = query.where(
            sa.or_(
                table.c.made_at < moment,
                sa.and_(table.c.made_at == moment, table.c.prediction_id < name),
            )
        )
    query = query.order_by(table.c.made_at.desc(), table.c.prediction_id.desc()).limit(limit)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(read_prediction(row) for row in rows)
