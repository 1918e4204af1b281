"""The tables of experiments: one row each, who entered them, and what was done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from churnkit.domain.experiments import ExperimentEntry, ExperimentRow, ExperimentStep
from churnkit.ledger.suppressions import ErasedWithin
from churnkit.ledger.tables import (
    experiment_entries,
    experiment_steps,
    experiments,
    outcomes,
    predictions,
)
from churnkit.ledger.transactions import reading

ENTRY_LOCK = 0x656E747279  # "entry"
_DOCUMENTS = ("plan", "versions")
_CHUNK = 1_000
T = TypeVar("T")


def read_experiments(engine: sa.Engine) -> tuple[ExperimentRow, ...]:
    """All of them, the oldest first."""
    with reading(engine) as connection:
        return experiments_in(connection)


def experiments_in(connection: sa.Connection) -> tuple[ExperimentRow, ...]:
    """The same within a transaction."""
    rows = connection.execute(sa.select(experiments).order_by(experiments.c.number)).mappings()
    return tuple(_experiment(row) for row in rows)


def open_experiments(engine: sa.Engine) -> tuple[ExperimentRow, ...]:
    """Those that were not stopped, the oldest first."""
    return tuple(row for row in read_experiments(engine) if row.stopped_at is None)


def serving_experiment_mark(engine: sa.Engine) -> str | None:
    """Name of the experiment of models that runs: cheap to ask for every few seconds."""
    query = sa.select(experiments.c.experiment_id).where(
        experiments.c.kind == "models", experiments.c.stopped_at.is_(None)
    )
    with reading(engine) as connection:
        return connection.execute(query.order_by(experiments.c.number)).scalar()


def insert_experiment(connection: sa.Connection, row: ExperimentRow) -> None:
    """Add an experiment."""
    values = row.model_dump()
    connection.execute(
        sa.insert(experiments), {**values, **{name: _text(values[name]) for name in _DOCUMENTS}}
    )


def mark_stopped(connection: sa.Connection, experiment_id: str, at: datetime) -> bool:
    """Let nobody enter any more; False where it was stopped before."""
    done = connection.execute(
        sa.update(experiments)
        .where(experiments.c.experiment_id == experiment_id, experiments.c.stopped_at.is_(None))
        .values(stopped_at=at)
    )
    return done.rowcount == 1


def append_step(connection: sa.Connection, step: ExperimentStep) -> None:
    """Add a step; its sequence is the next one of its experiment."""
    table = experiment_steps
    last = connection.execute(
        sa.select(sa.func.max(table.c.sequence)).where(table.c.experiment_id == step.experiment_id)
    ).scalar()
    values = {**step.model_dump(), "document": _text(step.document), "sequence": (last or 0) + 1}
    connection.execute(sa.insert(table), values)


def read_experiment_steps(engine: sa.Engine, experiment_id: str) -> tuple[ExperimentStep, ...]:
    """What was done, the oldest first."""
    table = experiment_steps
    query = sa.select(table).where(table.c.experiment_id == experiment_id)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(table.c.sequence)).mappings().all()
    return tuple(ExperimentStep(**{**row, "document": json.loads(row["document"])}) for row in rows)


def read_entries(engine: sa.Engine, experiment_id: str) -> tuple[ExperimentEntry, ...]:
    """All who entered, in the order of entry; equal moments by customer, so that it is one."""
    table = experiment_entries
    query = (
        sa.select(table)
        .where(table.c.experiment_id == experiment_id)
        .order_by(table.c.entered_at, table.c.customer_id)
    )
    with reading(engine) as connection:
        result = connection.execution_options(yield_per=_CHUNK).execute(query).mappings()
        return tuple(ExperimentEntry.model_construct(**row) for row in result)


def entry_moments(engine: sa.Engine, *, until: datetime) -> Iterator[tuple[str, datetime]]:
    """Whose outcome in which window experiments ask for: (customer, followed from)."""
    table = experiment_entries
    query = sa.select(table.c.customer_id, table.c.moment).where(table.c.moment <= until)
    with reading(engine) as connection:
        for row in connection.execution_options(yield_per=_CHUNK).execute(query):
            yield row.customer_id, row.moment


def add_entries(
    connection: sa.Connection, entries: Sequence[ExperimentEntry], *, erased: ErasedWithin
) -> int:
    """Add customers who are not in the experiment yet; returns how many those are.

    The caller holds ``ENTRY_LOCK``.

    Parameters
    ----------
    erased : tells erased customers, who do not enter
    """
    n = 0
    for asked in _chunks(entries):
        gone = erased(connection, [one.customer_id for one in asked])
        chunk = [one for one in asked if one.customer_id not in gone]
        if not chunk:
            continue
        there = _in_tables(
            connection,
            [one.customer_id for one in chunk],
            experiment_entries.c.experiment_id == chunk[0].experiment_id,
        )
        new = [one.model_dump() for one in chunk if one.customer_id not in there]
        if new:
            connection.execute(sa.insert(experiment_entries), new)
        n += len(new)
    return n


def entered_others(
    connection: sa.Connection, customer_ids: Iterable[str], experiment_id: str
) -> set[str]:
    """Who of some customers is in another experiment that was not stopped."""
    going = sa.select(experiments.c.experiment_id).where(experiments.c.stopped_at.is_(None))
    found: set[str] = set()
    for chunk in _chunks(customer_ids):
        found |= _in_tables(
            connection,
            chunk,
            experiment_entries.c.experiment_id != experiment_id,
            experiment_entries.c.experiment_id.in_(going),
        )
    return found


def entries_of(
    connection: sa.Connection, customer_ids: Iterable[str], experiment_id: str
) -> tuple[ExperimentEntry, ...]:
    """The entries of some customers into an experiment, in the order of the customers."""
    found: list[ExperimentEntry] = []
    for chunk in _chunks(customer_ids):
        query = sa.select(experiment_entries).where(
            experiment_entries.c.experiment_id == experiment_id,
            experiment_entries.c.customer_id.in_(chunk),
        )
        rows = connection.execute(query).mappings()
        there = {row["customer_id"]: ExperimentEntry.model_construct(**row) for row in rows}
        found += [there[name] for name in chunk if name in there]
    return tuple(found)


def first_answers(
    connection: sa.Connection, experiment_id: str
) -> Iterator[tuple[str, str, datetime, datetime]]:
    """Customers who were answered in an experiment of models and are not in it yet.

    Returns
    -------
    answers : (customer, variant, made at, looks from) of each one's first answer, by time
    """
    table = predictions
    ranked = (
        sa.select(
            table.c.customer_id,
            table.c.variant,
            table.c.made_at,
            sa.func.coalesce(table.c.as_of, table.c.made_at, type_=table.c.made_at.type).label(
                "moment"
            ),
            sa.func.row_number()
            .over(
                partition_by=table.c.customer_id,
                order_by=(table.c.made_at, table.c.prediction_id),
            )
            .label("place"),
        )
        .where(
            # An experiment shares customers out as a rollout does, and has its place.
            table.c.rollout_id == experiment_id,
            table.c.shadow_of.is_(None),
            ~sa.select(1)
            .where(
                experiment_entries.c.experiment_id == experiment_id,
                experiment_entries.c.customer_id == table.c.customer_id,
            )
            .exists(),
        )
        .subquery("ranked")
    )
    query = sa.select(ranked).where(ranked.c.place == 1)
    for row in connection.execute(query.order_by(ranked.c.made_at, ranked.c.customer_id)):
        yield row.customer_id, row.variant, row.made_at, row.moment


def last_scores(
    connection: sa.Connection, customer_ids: Iterable[str], before: datetime
) -> dict[str, float]:
    """The last churn score that each customer was answered with before a moment."""
    table = predictions
    found: dict[str, float] = {}
    for chunk in _chunks(customer_ids):
        ranked = (
            sa.select(
                table.c.customer_id,
                table.c.probability,
                sa.func.row_number()
                .over(
                    partition_by=table.c.customer_id,
                    order_by=(table.c.made_at.desc(), table.c.prediction_id.desc()),
                )
                .label("place"),
            )
            .where(
                table.c.customer_id.in_(chunk),
                table.c.shadow_of.is_(None),
                table.c.made_at < before,
            )
            .subquery("ranked")
        )
        query = sa.select(ranked.c.customer_id, ranked.c.probability).where(ranked.c.place == 1)
        found |= {row.customer_id: float(row.probability) for row in connection.execute(query)}
    return found


def outcomes_known_until(engine: sa.Engine) -> datetime | None:
    """When the last recorded outcome became known."""
    with reading(engine) as connection:
        found: datetime | None = connection.execute(
            sa.select(sa.func.max(outcomes.c.known_at, type_=outcomes.c.known_at.type))
        ).scalar()
    return found


def _in_tables(
    connection: sa.Connection, customer_ids: Sequence[str], *conditions: sa.ColumnElement[bool]
) -> set[str]:
    query = sa.select(experiment_entries.c.customer_id).where(
        experiment_entries.c.customer_id.in_(customer_ids), *conditions
    )
    return set(connection.execute(query).scalars())


def _chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    stream = iter(rows)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=True, sort_keys=True)


def _experiment(row: sa.RowMapping) -> ExperimentRow:
    return ExperimentRow(**{**row, **{name: json.loads(row[name]) for name in _DOCUMENTS}})
