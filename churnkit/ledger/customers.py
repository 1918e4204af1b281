"""The latest scores, sorted, filtered and page by page.

A page begins after the place where the one before ended, so that rows that come meanwhile shift
nothing, and the last page costs as much as the first (measured: tests/benchmarks/customers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from churnkit.domain.frozen import Frozen
from churnkit.ledger.tables import latest_scores
from churnkit.ledger.transactions import reading

Sort = Literal["probability", "customer_id", "made_at", "risk_band"]
Place = tuple[Any, ...]
"""Where a page ended: the last row's values of the columns that it is sorted by."""
RANKS = {"low": 0, "medium": 1, "high": 2}
_KEYS: dict[str, tuple[str, ...]] = {
    "probability": ("probability", "customer_id"),
    "customer_id": ("customer_id",),
    "made_at": ("made_at", "customer_id"),
    "risk_band": ("risk_rank", "probability", "customer_id"),
}
_SHOWN = tuple(
    latest_scores.c[name]
    for name in (
        "customer_id", "prediction_id", "probability", "risk_band", "model_version", "variant",
        "made_at",
    )
)  # fmt: skip


class LatestScore(Frozen):
    """A customer's newest prediction."""

    customer_id: str
    prediction_id: str
    probability: float
    risk_band: str
    model_version: str
    variant: str
    made_at: datetime


@dataclass(frozen=True)
class CustomerFilter:
    """Which customers; everything that is given must hold.

    Parameters
    ----------
    risk_band : low, medium or high; several with commas
    prefix : what the customer id begins with
    search : what it holds somewhere, in upper or lower case
    minimum, maximum : of the probability, both included
    """

    risk_band: str | None = None
    model_version: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    prefix: str | None = None
    search: str | None = None

    def conditions(self, dialect: str) -> list[sa.ColumnElement[bool]]:
        """The same for the database."""
        table = latest_scores.c
        found: list[sa.ColumnElement[bool]] = []
        if self.risk_band is not None:
            ranks = [RANKS[band] for band in dict.fromkeys(self.risk_band.split(","))]
            one = table.risk_rank == ranks[0] if len(ranks) == 1 else table.risk_rank.in_(ranks)
            found.append(one)
        if self.model_version is not None:
            found.append(table.model_version == self.model_version)
        if self.minimum is not None:
            found.append(table.probability >= self.minimum)
        if self.maximum is not None:
            found.append(table.probability <= self.maximum)
        if self.prefix is not None:
            found.append(table.customer_id >= self.prefix)
            # Sorted by bytes, nothing that begins so comes after the last character that exists.
            found.append(table.customer_id < self.prefix + "\U0010ffff")
        if self.search is not None:
            where: sa.ColumnElement[str] = table.customer_id
            place = sa.func.instr
            if dialect == "postgresql":
                # The ids are sorted by bytes; what is a capital is for the database's locale to
                # say, of the ids as of what is looked for.
                where, place = sa.collate(where, "default"), sa.func.strpos
            found.append(place(sa.func.lower(where), sa.func.lower(self.search)) > 0)
        return found


def place_of(row: LatestScore, sort: Sort) -> Place:
    """Where a page ends whose last row this is."""
    values = {**row.model_dump(), "risk_rank": RANKS.get(row.risk_band, -1)}
    return tuple(values[name] for name in _KEYS[sort])


def customers_page(
    engine: sa.Engine,
    wanted: CustomerFilter,
    *,
    sort: Sort,
    descending: bool,
    after: Place | None,
    limit: int,
    skip: int = 0,
) -> tuple[LatestScore, ...]:
    """Customers in order.

    Parameters
    ----------
    after : where the page before ended, in the same order
    skip : leave out so many before the page
    """
    table = latest_scores.c
    keys = [table[name] for name in _KEYS[sort]]
    order: list[sa.ColumnElement[Any]]
    if skip:
        after = _place_before(engine, wanted, sort, descending, skip)
        if after is None:
            return ()
    query = sa.select(*_SHOWN).where(*wanted.conditions(engine.dialect.name))
    if after is not None:
        here = sa.tuple_(*keys)
        there = sa.tuple_(
            *(sa.literal(value, key.type) for value, key in zip(after, keys, strict=True))
        )
        query = query.where(here < there if descending else here > there)
    if wanted.search is not None and engine.dialect.name == "postgresql":
        # PostgreSQL cannot guess how few customers a search finds. To walk along the order until
        # a page is full would take seconds for one; OFFSET 0 has it look through all of them.
        found = query.add_columns(table.risk_rank).offset(0).subquery().c
        query = sa.select(*(found[column.name] for column in _SHOWN))
        order = [found[name] for name in _KEYS[sort]]
    else:
        order = list(keys)
    order = [key.desc() if descending else key.asc() for key in order]
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(*order).limit(limit)).mappings().all()
    return tuple(LatestScore(**row) for row in rows)


def _place_before(
    engine: sa.Engine, wanted: CustomerFilter, sort: Sort, descending: bool, skip: int
) -> Place | None:
    """Where a page would have ended after so many customers; None: there are not so many.

    Only the index is walked: the rows themselves would be read from all over the table.
    """
    keys = [latest_scores.c[name] for name in _KEYS[sort]]
    query = (
        sa.select(*keys)
        .where(*wanted.conditions(engine.dialect.name))
        .order_by(*(key.desc() if descending else key.asc() for key in keys))
        .offset(skip - 1)
        .limit(1)
    )
    with reading(engine) as connection:
        found = connection.execute(query).one_or_none()
    return None if found is None else tuple(found)


class ScoreBin(NamedTuple):
    """Customers whose probabilities are close to each other."""

    n: int
    mean_probability: float


def score_bins(engine: sa.Engine, wanted: CustomerFilter, n_bins: int) -> tuple[ScoreBin, ...]:
    """The latest scores in bins of equal width, the highest first; empty ones are left out."""
    table = latest_scores.c
    place = sa.cast(sa.func.floor(table.probability * n_bins), sa.Integer).label("place")
    query = (
        sa.select(sa.func.count(), sa.func.avg(table.probability), place)
        .where(*wanted.conditions(engine.dialect.name))
        .group_by(place)
        .order_by(place.desc())
    )
    with reading(engine) as connection:
        return tuple(ScoreBin(row[0], row[1]) for row in connection.execute(query))


def count_customers(engine: sa.Engine, wanted: CustomerFilter) -> Sequence[tuple[str, str, int]]:
    """How many customers, by risk band and model version."""
    table = latest_scores.c
    query = (
        sa.select(table.risk_band, table.model_version, sa.func.count())
        .where(*wanted.conditions(engine.dialect.name))
        .group_by(table.risk_band, table.model_version)
    )
    with reading(engine) as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]
