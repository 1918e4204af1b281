"""Who came during a rollout, whom it answered, and which model failed: counted in SQL.

Of a customer's requests in a rollout the first one counts. None of these queries gives a
customer's id away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from churnkit.ledger.tables import (
    outcomes,
    predictions,
    rollout_failures,
    rollout_overrides,
    rollout_windows,
    treatments,
)
from churnkit.ledger.transactions import reading, writing


@dataclass(frozen=True, slots=True)
class FirstRequests:
    """Customers by how their first request in the rollout went."""

    both: int
    """Both models scored it."""
    champion_failed: int
    challenger_failed: int
    unpaired: int
    """The silent model was not given it."""


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


def exposed_customers(
    engine: sa.Engine, rollout_id: str, *, since: datetime, until: datetime, answered_only: bool
) -> int:
    """Customers whom both models scored in (since, until].

    Parameters
    ----------
    answered_only : only those whom the challenger answered
    """
    answer, shadow = predictions.alias("answer"), predictions.alias("shadow")
    query = (
        sa.select(sa.func.count(sa.distinct(answer.c.customer_id)))
        .select_from(answer.join(shadow, shadow.c.shadow_of == answer.c.prediction_id))
        .where(
            answer.c.rollout_id == rollout_id,
            answer.c.shadow_of.is_(None),
            answer.c.made_at >= since,
            answer.c.made_at <= until,
        )
    )
    if answered_only:
        query = query.where(answer.c.variant == "challenger")
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())


def first_answers(
    answer: sa.FromClause, rollout_id: str, *, since: datetime | None, until: datetime
) -> list[sa.ColumnElement[bool]]:
    """That a prediction answered its customer's first request, and that in (since, until]."""
    earlier = predictions.alias("earlier")
    # Written for the index of customers: compared as pairs, the first of a customer's predictions
    # settles it. A bare rollout_id would let a database with old statistics, which has never seen
    # this rollout, go through all of its predictions for each of them.
    before = sa.tuple_(earlier.c.made_at, earlier.c.prediction_id) < sa.tuple_(
        answer.c.made_at, answer.c.prediction_id
    )
    repeated = (
        sa.select(1)
        .where(
            earlier.c.customer_id == answer.c.customer_id,
            sa.func.coalesce(earlier.c.rollout_id, "") == rollout_id,
            earlier.c.shadow_of.is_(None),
            before,
        )
        .exists()
    )
    conditions = [
        answer.c.rollout_id == rollout_id,
        answer.c.shadow_of.is_(None),
        answer.c.made_at <= until,
        ~repeated,
    ]
    return conditions if since is None else [*conditions, answer.c.made_at > since]


def first_requests(
    engine: sa.Engine, rollout_id: str, *, since: datetime | None, until: datetime
) -> FirstRequests:
    """Customers whose first request in the rollout was in (since, until]."""
    answer, shadow, failure = (
        predictions.alias("answer"),
        predictions.alias("shadow"),
        rollout_failures,
    )
    paired = sa.select(1).where(shadow.c.shadow_of == answer.c.prediction_id).exists()
    query = (
        sa.select(paired.label("paired"), failure.c.variant, sa.func.count().label("n"))
        .select_from(answer.outerjoin(failure, failure.c.prediction_id == answer.c.prediction_id))
        .where(*first_answers(answer, rollout_id, since=since, until=until))
        .group_by(sa.literal_column("1"), failure.c.variant)
    )
    counts = {"both": 0, "champion": 0, "challenger": 0, "unpaired": 0}
    with reading(engine) as connection:
        for row in connection.execute(query):
            kind = row.variant or ("both" if row.paired else "unpaired")
            counts[kind] += row.n
    return FirstRequests(
        counts["both"], counts["champion"], counts["challenger"], counts["unpaired"]
    )


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
    earlier : the periods before; a customer who was the champion's at a share has his bucket at or
        above it, one who was the challenger's below it
    """
    table = predictions
    ours = sa.and_(
        table.c.rollout_id == rollout_id,
        table.c.shadow_of.is_(None),
        ~sa.select(1)
        .where(
            rollout_overrides.c.rollout_id == rollout_id,
            rollout_overrides.c.customer_id == table.c.customer_id,
        )
        .exists(),
    )
    challenger = sa.case((table.c.variant == "challenger", 1), else_=0)
    now = (
        sa.select(
            table.c.customer_id,
            sa.func.min(table.c.made_at).label("first"),
            sa.func.max(challenger).label("challenger"),
        )
        .where(ours, table.c.made_at > period.since, table.c.made_at <= until)
        .group_by(table.c.customer_id)
        .cte("now")
    )
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
                ours,
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
        .where(now.c.first > since)
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
