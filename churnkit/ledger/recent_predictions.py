"""The predictions of the last seconds: some of them one by one, all of them counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from churnkit.domain.happenings import ScoredMany, ScoredOne
from churnkit.ledger.tables import predictions
from churnkit.ledger.transactions import reading

_SHOWN = (
    "prediction_id",
    "customer_id",
    "model_version",
    "variant",
    "probability",
    "risk_band",
    "made_at",
)


def newest_predictions(
    engine: sa.Engine, versions: Sequence[str], *, since: datetime, limit: int
) -> tuple[ScoredOne, ...]:
    """The newest predictions that answered, made after a moment, the newest first.

    Each version is looked up by itself: the index is by version and time.
    """
    table = predictions
    columns = [table.c[name] for name in _SHOWN]
    found: list[ScoredOne] = []
    with reading(engine) as connection:
        for version in versions:
            query = (
                sa.select(*columns)
                .where(
                    table.c.model_version == version,
                    table.c.made_at > since,
                    table.c.shadow_of.is_(None),
                )
                .order_by(table.c.made_at.desc())
                .limit(limit)
            )
            found += [ScoredOne(**row) for row in connection.execute(query).mappings()]
    found.sort(key=lambda one: (one.made_at, one.prediction_id), reverse=True)
    return tuple(found[:limit])


def count_predictions(
    engine: sa.Engine, versions: Sequence[str], *, after: datetime, until: datetime
) -> tuple[ScoredMany, ...]:
    """Predictions that answered, made in (after, until], by model, variant and band."""
    table = predictions
    by = (table.c.model_version, table.c.variant, table.c.risk_band)
    query = (
        sa.select(
            *by,
            sa.func.count().label("n"),
            sa.func.avg(table.c.probability).label("mean_probability"),
        )
        .where(
            table.c.model_version.in_(versions),
            table.c.made_at > after,
            table.c.made_at <= until,
            table.c.shadow_of.is_(None),
        )
        .group_by(*by)
        .order_by(*by)
    )
    with reading(engine) as connection:
        return tuple(ScoredMany(**row) for row in connection.execute(query).mappings())
