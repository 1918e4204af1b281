"""Customers by their first request in a rollout: who came, which model failed, what both said.

Of a customer's requests in a rollout the first one counts. A look reads what came since the last
one: it takes each customer's first request there, and looks once for an earlier one of his. So it
costs what came, whatever there was before. None of these queries gives a customer's id away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from churnkit.ledger.tables import predictions, rollout_failures
from churnkit.ledger.transactions import reading

EARLIER = predictions.alias("earlier")
"""The requests that ``requests_of`` looks through."""
_CHUNK = 2_000
PART_ROWS = 200_000
"""Of more than this a look makes parts: each is read well within a statement's time."""


@dataclass(frozen=True, slots=True)
class FirstRequests:
    """Customers by how their first request in the rollout went."""

    both: int
    """Both models scored it."""
    champion_failed: int
    challenger_failed: int
    unpaired: int
    """The silent model was not given it."""
    earliest: datetime | None
    """The first moment that one of them looks from; None: there is no customer."""


def part_end(
    engine: sa.Engine, rollout_id: str, *, since: datetime | None, until: datetime
) -> datetime:
    """Where to stop in (since, until], so that about ``PART_ROWS`` predictions are before."""
    table = predictions
    query = sa.select(table.c.made_at).where(
        table.c.rollout_id == rollout_id, table.c.made_at <= until
    )
    if since is not None:
        query = query.where(table.c.made_at > since)
    with reading(engine) as connection:
        found = connection.execute(query.order_by(table.c.made_at).offset(PART_ROWS).limit(1))
        end: datetime | None = found.scalar()
    return until if end is None else end


def earliest_moment(
    engine: sa.Engine, rollout_id: str, *, since: datetime | None, until: datetime
) -> datetime | None:
    """The first moment that one of the requests in (since, until] looks from; None: none came."""
    table = predictions
    moment = sa.func.coalesce(table.c.as_of, table.c.made_at, type_=table.c.made_at.type)
    query = sa.select(sa.func.min(moment, type_=table.c.made_at.type)).where(
        table.c.rollout_id == rollout_id, table.c.shadow_of.is_(None), table.c.made_at <= until
    )
    if since is not None:
        query = query.where(table.c.made_at > since)
    with reading(engine) as connection:
        found: datetime | None = connection.execute(query).scalar_one()
    return found


def requests_of(
    customer: sa.ColumnElement[str], rollout_id: str, *conditions: sa.ColumnElement[bool]
) -> sa.ColumnElement[int]:
    """1 where a customer has an answered request in a rollout that is as said; else null.

    Parameters
    ----------
    customer : a column of the query around it
    conditions : on the columns of ``EARLIER``
    """
    # Written for the index of customers, and never a join: a database with old statistics, which
    # has not seen this rollout yet, would go through all of it for each customer.
    return (
        sa.select(1)
        .where(
            EARLIER.c.customer_id == customer,
            sa.func.coalesce(EARLIER.c.rollout_id, "") == rollout_id,
            EARLIER.c.shadow_of.is_(None),
            *conditions,
        )
        .limit(1)
        .scalar_subquery()
    )


def _first(rollout_id: str, since: datetime | None, until: datetime) -> sa.Subquery:
    """Each new customer's first request, where that was in (since, until]."""
    table = predictions
    order = (table.c.made_at, table.c.prediction_id)
    place = sa.func.row_number().over(partition_by=table.c.customer_id, order_by=order)
    came = sa.select(
        table.c.prediction_id,
        table.c.customer_id,
        table.c.variant,
        table.c.probability,
        sa.func.coalesce(table.c.as_of, table.c.made_at, type_=table.c.made_at.type).label(
            "moment"
        ),
        place.label("place"),
    ).where(table.c.rollout_id == rollout_id, table.c.shadow_of.is_(None), table.c.made_at <= until)
    if since is not None:
        came = came.where(table.c.made_at > since)
    answer = came.subquery("came")
    query = sa.select(answer).where(answer.c.place == 1)
    if since is not None:
        known = requests_of(answer.c.customer_id, rollout_id, EARLIER.c.made_at <= since)
        query = query.where(known.is_(None))
    return query.subquery("answer")


def first_requests(
    engine: sa.Engine, rollout_id: str, *, since: datetime | None, until: datetime
) -> FirstRequests:
    """Customers whose first request in the rollout was in (since, until]."""
    answer, shadow, failure = (
        _first(rollout_id, since, until),
        predictions.alias("shadow"),
        rollout_failures,
    )
    paired = sa.select(1).where(shadow.c.shadow_of == answer.c.prediction_id).exists()
    query = (
        sa.select(
            paired.label("paired"),
            failure.c.variant,
            sa.func.count().label("n"),
            sa.func.min(answer.c.moment).label("earliest"),
        )
        .select_from(answer.outerjoin(failure, failure.c.prediction_id == answer.c.prediction_id))
        .group_by(sa.literal_column("1"), failure.c.variant)
    )
    counts = {"both": 0, "champion": 0, "challenger": 0, "unpaired": 0}
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    for row in rows:
        kind = row.variant or ("both" if row.paired else "unpaired")
        counts[kind] += row.n
    return FirstRequests(
        counts["both"],
        counts["champion"],
        counts["challenger"],
        counts["unpaired"],
        min((row.earliest for row in rows), default=None),
    )


def first_scores(
    engine: sa.Engine, rollout_id: str, *, since: datetime | None, until: datetime
) -> Iterator[tuple[str, list[float]]]:
    """Scores of customers whose first request in the rollout was in (since, until].

    They come in chunks, as (variant, probabilities), so that any number takes the same memory.
    """
    answer, shadow = _first(rollout_id, since, until), predictions.alias("shadow")
    query = sa.select(
        answer.c.variant,
        answer.c.probability,
        shadow.c.variant.label("silent_variant"),
        shadow.c.probability.label("silent_probability"),
    ).select_from(answer.outerjoin(shadow, shadow.c.shadow_of == answer.c.prediction_id))
    with reading(engine) as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=_CHUNK)
        for chunk in streamed.execute(query).partitions():
            found: dict[str, list[float]] = {}
            for variant, probability, silent_variant, silent_probability in chunk:
                found.setdefault(variant, []).append(probability)
                if silent_variant is not None:
                    found.setdefault(silent_variant, []).append(silent_probability)
            yield from found.items()


def exposed_customers(
    engine: sa.Engine,
    rollout_id: str,
    *,
    begin: datetime,
    since: datetime | None,
    until: datetime,
    answered_only: bool,
) -> int:
    """Customers whom both models scored in (since, until], and not yet in [begin, since].

    Parameters
    ----------
    begin : when the stage began
    since : up to where they were counted; None: not yet
    answered_only : only those whom the challenger answered
    """
    table, shadow = predictions, predictions.alias("shadow")
    came = sa.select(table.c.customer_id).where(
        table.c.rollout_id == rollout_id,
        table.c.shadow_of.is_(None),
        table.c.made_at <= until,
        table.c.made_at >= begin if since is None else table.c.made_at > since,
    )
    paired: list[sa.ColumnElement[bool]] = [
        sa.select(1)
        .where(shadow.c.shadow_of == EARLIER.c.prediction_id)
        .limit(1)
        .scalar_subquery()
        .is_not(None)
    ]
    if answered_only:
        came = came.where(table.c.variant == "challenger")
        paired.append(EARLIER.c.variant == "challenger")
    customer = came.distinct().subquery("customer")

    def has(*within: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return requests_of(customer.c.customer_id, rollout_id, *within, *paired)

    at = EARLIER.c.made_at
    query = sa.select(sa.func.count()).select_from(customer)
    if since is None:
        query = query.where(has(at >= begin, at <= until).is_not(None))
    else:
        query = query.where(has(at >= begin, at <= since).is_(None))
        query = query.where(has(at > since, at <= until).is_not(None))
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())
