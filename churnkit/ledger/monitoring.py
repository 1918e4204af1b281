"""Monthly figures of model versions, and which alerts were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from churnkit.domain.evaluation import Estimate
from churnkit.ledger.tables import alert_history, monthly_metrics
from churnkit.ledger.transactions import reading, writing

_LOCK = 0x6D6F6E69746F72  # "monitor"


class MonthlyFigure(NamedTuple):
    """A figure of a version in a month; its interval is in the estimate."""

    model_version: str
    month: str
    name: str
    estimate: Estimate
    n: int


def store_months(engine: sa.Engine, figures: Sequence[MonthlyFigure], *, at: datetime) -> None:
    """Replace the figures of the versions and months that are named."""
    table = monthly_metrics
    with writing(engine, lock=_LOCK) as connection:
        for version, month in sorted({(one.model_version, one.month) for one in figures}):
            connection.execute(
                sa.delete(table).where(table.c.model_version == version, table.c.month == month)
            )
        if figures:
            connection.execute(
                sa.insert(table),
                [
                    {
                        "model_version": one.model_version,
                        "month": one.month,
                        "name": one.name,
                        "n": one.n,
                        "measured_at": at,
                        **one.estimate.model_dump(),
                    }
                    for one in figures
                ],
            )


def read_months(engine: sa.Engine, model_version: str | None = None) -> tuple[MonthlyFigure, ...]:
    """The figures as they were measured last, by version, month and name."""
    table = monthly_metrics
    query = sa.select(table).order_by(table.c.model_version, table.c.month, table.c.name)
    if model_version is not None:
        query = query.where(table.c.model_version == model_version)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(_figure(row) for row in rows)


def read_alert_history(engine: sa.Engine, name: str) -> str | None:
    """What was kept under a name."""
    query = sa.select(alert_history.c.content).where(alert_history.c.name == name)
    with reading(engine) as connection:
        return connection.execute(query).scalar_one_or_none()


def keep_alert_history(engine: sa.Engine, name: str, content: str, *, at: datetime) -> None:
    """Keep it in the place of what was there."""
    with writing(engine, lock=_LOCK) as connection:
        connection.execute(sa.delete(alert_history).where(alert_history.c.name == name))
        connection.execute(
            sa.insert(alert_history), {"name": name, "content": content, "updated_at": at}
        )


def _figure(row: Mapping[str, object] | sa.RowMapping) -> MonthlyFigure:
    estimate = Estimate(value=row["value"], low=row["low"], high=row["high"])
    return MonthlyFigure(
        str(row["model_version"]), str(row["month"]), str(row["name"]), estimate, int(str(row["n"]))
    )
