"""Recorded predictions by column, each with what the other model said: for joins of many rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from churnkit.ledger.tables import predictions
from churnkit.ledger.transactions import reading

_CHUNK = 2_000
"""Rows in memory at once: of many more, most of the time is the garbage collector's."""
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NEVER = np.iinfo(np.int64).min
"""Stands for no moment."""


@dataclass(frozen=True)
class Wanted:
    """Which predictions: of a rollout or a version, that look from [since, until].

    ``shadows``: those that answered nobody, too.
    """

    rollout_id: str | None = None
    model_version: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    shadows: bool = False

    def conditions(self, table: sa.FromClause) -> list[sa.ColumnElement[bool]]:
        """In SQL."""
        moment = looks_from(table)
        found: list[sa.ColumnElement[bool]] = []
        if self.rollout_id is not None:
            found.append(table.c.rollout_id == self.rollout_id)
        if self.model_version is not None:
            found.append(table.c.model_version == self.model_version)
        if self.since is not None:
            found.append(moment >= self.since)
        if self.until is not None:
            found.append(moment <= self.until)
        if not self.shadows:
            found.append(table.c.shadow_of.is_(None))
        return found


@dataclass(frozen=True, eq=False)
class ScoredColumns:
    """Predictions in no order; one entry each."""

    prediction_id: list[str]
    customer_id: list[str]
    us: Ints
    """The moment they look from: ``as_of``, or when they were made."""
    model_version: list[str]
    variant: list[str]
    probability: Floats
    shadow_probability: Floats
    """What the other model said of the same request; NaN: nothing."""

    def __len__(self) -> int:
        return len(self.customer_id)


def looks_from(table: sa.FromClause) -> sa.ColumnElement[datetime]:
    """The moment that a prediction looks from."""
    return sa.func.coalesce(table.c.as_of, table.c.made_at, type_=table.c.made_at.type)


def raw_moment(column: sa.ColumnElement[datetime], dialect: sa.Dialect) -> sa.ColumnElement[Any]:
    """A moment as what is quickest to read: see ``to_us_array``."""
    if dialect.name == "postgresql":
        return sa.cast(sa.func.extract("epoch", column) * 1_000_000, sa.BigInteger)
    return sa.type_coerce(column, sa.String)


def to_us_array(values: Iterable[Any]) -> Ints:
    """Microseconds since 1970 of what ``raw_moment`` gives; ``NEVER`` where there is none."""
    listed = list(values)
    if not listed:
        return np.empty(0, dtype=np.int64)
    if any(isinstance(value, str) for value in listed):
        # As the ledger writes them: always UTC, with a Z that numpy does not read.
        texts = [value[:-1] if value is not None else "NaT" for value in listed]
        found: Ints = np.array(texts, dtype="datetime64[us]").astype(np.int64)
        return found
    return np.array([NEVER if value is None else value for value in listed], dtype=np.int64)


def scored_columns(engine: sa.Engine, wanted: Wanted) -> ScoredColumns:
    """Predictions with what the other model said, read once."""
    answer, shadow = predictions.alias("answer"), predictions.alias("shadow")
    query = (
        sa.select(
            answer.c.prediction_id,
            answer.c.customer_id,
            raw_moment(looks_from(answer), engine.dialect).label("moment"),
            answer.c.model_version,
            answer.c.variant,
            answer.c.probability,
            shadow.c.probability.label("shadow_probability"),
        )
        .select_from(answer.outerjoin(shadow, shadow.c.shadow_of == answer.c.prediction_id))
        .where(*wanted.conditions(answer))
    )
    columns: tuple[list[Any], ...] = ([], [], [], [], [], [], [])
    moments: list[Ints] = []
    with reading(engine) as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=_CHUNK)
        for part in streamed.execute(query).partitions():
            for column, values in zip(columns, zip(*part, strict=True), strict=True):
                column.extend(values)
            moments.append(to_us_array(columns[2]))
            columns[2].clear()
    ids, customers, _, versions, variants, probability, silent = columns
    return ScoredColumns(
        prediction_id=ids,
        customer_id=customers,
        us=np.concatenate(moments) if moments else np.empty(0, dtype=np.int64),
        model_version=versions,
        variant=variants,
        probability=np.array(probability, dtype=np.float64),
        shadow_probability=np.array(silent, dtype=np.float64),
    )


def earlier_predictions(engine: sa.Engine, wanted: Wanted) -> dict[str, int]:
    """How many predictions the customers of ``wanted`` had before its ``since``; without zeros."""
    if wanted.since is None:
        return {}
    before, now = predictions.alias("before"), predictions.alias("now")
    whole = Wanted(wanted.rollout_id, wanted.model_version, shadows=wanted.shadows)
    query = (
        sa.select(before.c.customer_id, sa.func.count())
        .where(
            *whole.conditions(before),
            looks_from(before) < wanted.since,
            before.c.customer_id.in_(sa.select(now.c.customer_id).where(*wanted.conditions(now))),
        )
        .group_by(before.c.customer_id)
    )
    with reading(engine) as connection:
        return {name: int(n) for name, n in connection.execute(query)}


def count_predictions(engine: sa.Engine, wanted: Wanted) -> int:
    """How many there are."""
    table = predictions.alias("answer")
    query = sa.select(sa.func.count()).select_from(table).where(*wanted.conditions(table))
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())
