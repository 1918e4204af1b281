"""Customers of a rollout by their arms, counted in SQL for the ratio of the arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from churnkit.ledger.rollout_arrivals import EARLIER, requests_of
from churnkit.ledger.tables import predictions, rollout_overrides
from churnkit.ledger.transactions import reading


@dataclass(frozen=True, slots=True)
class Period:
    """A time of constant share; counted from ``since`` on, until the next one began."""

    share: float
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ArmCount:
    """Customers who came to one arm, with what earlier periods say of their buckets."""

    low: float
    high: float
    challenger: bool
    n: int


def arm_counts(
    engine: sa.Engine,
    rollout_id: str,
    *,
    period: Period,
    earlier: Sequence[Period],
    since: datetime,
    until: datetime,
) -> tuple[ArmCount, ...]:
    """Customers who came in (since, until] for the first time in a period, by their arms.

    Customers with an override are left out.

    Parameters
    ----------
    since : not before the period's own
    earlier : the periods before; a customer who was the champion's at a share has his bucket at or
        above it, one who was the challenger's below it
    """
    table = predictions
    at = EARLIER.c.made_at
    challenger = sa.case((table.c.variant == "challenger", 1), else_=0)
    overridden = (
        sa.select(1)
        .where(
            rollout_overrides.c.rollout_id == rollout_id,
            rollout_overrides.c.customer_id == table.c.customer_id,
        )
        .exists()
    )
    came = (
        sa.select(table.c.customer_id, sa.func.max(challenger).label("challenger"))
        .where(
            table.c.rollout_id == rollout_id,
            table.c.shadow_of.is_(None),
            ~overridden,
            table.c.made_at > since,
            table.c.made_at <= until,
        )
        .group_by(table.c.customer_id)
        .subquery("came")
    )
    there = requests_of(came.c.customer_id, rollout_id, at > period.since, at <= since)
    now = sa.select(came).where(there.is_(None)).cte("now")
    source: sa.FromClause = now
    low: sa.ColumnElement[float] = sa.literal(0.0, sa.Double)
    high: sa.ColumnElement[float] = sa.literal(1.0, sa.Double)
    if earlier:
        share = sa.case(
            *(
                (
                    sa.and_(table.c.made_at > one.since, table.c.made_at <= one.until),
                    sa.literal(one.share, sa.Double),
                )
                for one in earlier
            ),
            else_=sa.null(),
        )
        before = (
            sa.select(
                table.c.customer_id,
                sa.func.max(sa.case((challenger == 0, share), else_=sa.null())).label("low"),
                sa.func.min(sa.case((challenger == 1, share), else_=sa.null())).label("high"),
            )
            .where(
                # By the index of customers, see ``requests_of``.
                sa.func.coalesce(table.c.rollout_id, "") == rollout_id,
                table.c.shadow_of.is_(None),
                table.c.made_at <= period.since,
                table.c.customer_id.in_(sa.select(now.c.customer_id)),
            )
            .group_by(table.c.customer_id)
            .cte("before")
        )
        source = now.outerjoin(before, before.c.customer_id == now.c.customer_id)
        low = sa.func.coalesce(before.c.low, 0.0)
        high = sa.func.coalesce(before.c.high, 1.0)
    # Named apart: grouping by the same expression with other parameters is another expression.
    known = (
        sa.select(low.label("low"), high.label("high"), now.c.challenger)
        .select_from(source)
        .subquery("known")
    )
    query = sa.select(
        known.c.low, known.c.high, known.c.challenger, sa.func.count().label("n")
    ).group_by(known.c.low, known.c.high, known.c.challenger)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return tuple(
        ArmCount(float(row.low), float(row.high), bool(row.challenger), int(row.n))
        for row in sorted(rows, key=lambda row: (row.low, row.high, row.challenger))
    )
