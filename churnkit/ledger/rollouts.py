"""The tables of rollouts: one row each, its steps, its overrides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from churnkit.domain.rollouts import RolloutFailure, RolloutRow, RolloutStep
from churnkit.ledger.tables import rollout_failures, rollout_overrides, rollout_stages, rollouts
from churnkit.ledger.transactions import reading

_DOCUMENTS = ("plan", "position", "evidence", "forecast", "decision")


def read_rollout(engine: sa.Engine, rollout_id: str) -> RolloutRow | None:
    """One of them, if there is one with this name."""
    with reading(engine) as connection:
        return rollout_in(connection, rollout_id)


def rollout_in(connection: sa.Connection, rollout_id: str) -> RolloutRow | None:
    """The same within a transaction."""
    query = sa.select(rollouts).where(rollouts.c.rollout_id == rollout_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _rollout(row)


def read_rollouts(engine: sa.Engine) -> tuple[RolloutRow, ...]:
    """All of them, the oldest first."""
    with reading(engine) as connection:
        return rollouts_in(connection)


def rollouts_in(connection: sa.Connection) -> tuple[RolloutRow, ...]:
    """The same within a transaction."""
    rows = connection.execute(sa.select(rollouts).order_by(rollouts.c.number)).mappings()
    return tuple(_rollout(row) for row in rows)


def open_rollout(engine: sa.Engine) -> RolloutRow | None:
    """The one that runs or is paused; there is at most one."""
    query = sa.select(rollouts).where(rollouts.c.outcome.is_(None)).order_by(rollouts.c.number)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else _rollout(row)


def open_rollout_mark(engine: sa.Engine) -> tuple[str, int] | None:
    """Name and revision of the open rollout: cheap to ask for every few seconds."""
    query = sa.select(rollouts.c.rollout_id, rollouts.c.revision)
    query = query.where(rollouts.c.outcome.is_(None)).order_by(rollouts.c.number)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None else (row.rollout_id, row.revision)


def read_overrides(engine: sa.Engine, rollout_id: str) -> dict[str, str]:
    """Customer → the arm that a person chose for him."""
    table = rollout_overrides
    query = sa.select(table.c.customer_id, table.c.arm).where(table.c.rollout_id == rollout_id)
    with reading(engine) as connection:
        return {row.customer_id: row.arm for row in connection.execute(query)}


def read_steps(engine: sa.Engine, rollout_id: str) -> tuple[RolloutStep, ...]:
    """What was done and seen, the oldest first."""
    table = rollout_stages
    query = sa.select(table).where(table.c.rollout_id == rollout_id).order_by(table.c.sequence)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(RolloutStep(**{**row, "decision": json.loads(row["decision"])}) for row in rows)


def insert_rollout(
    connection: sa.Connection, row: RolloutRow, overrides: Mapping[str, str]
) -> None:
    """Add a rollout and its overrides."""
    connection.execute(sa.insert(rollouts), _values(row))
    if overrides:
        named = [
            {"rollout_id": row.rollout_id, "customer_id": customer, "arm": arm}
            for customer, arm in overrides.items()
        ]
        connection.execute(sa.insert(rollout_overrides), named)


def update_rollout(connection: sa.Connection, row: RolloutRow, *, seen: RolloutRow) -> bool:
    """Replace a rollout's row; False when somebody changed what was seen meanwhile."""
    done = connection.execute(
        sa.update(rollouts)
        .where(
            rollouts.c.rollout_id == row.rollout_id,
            rollouts.c.revision == seen.revision,
            rollouts.c.looks == seen.looks,
        )
        .values(**_values(row))
    )
    return done.rowcount == 1


def insert_failures(connection: sa.Connection, failures: Iterable[RolloutFailure]) -> None:
    """Add that a rollout's model could not score what the other one answered."""
    values = [failure.model_dump() for failure in failures]
    if values:
        connection.execute(sa.insert(rollout_failures), values)


def insert_step(connection: sa.Connection, step: RolloutStep) -> None:
    """Add a step; its sequence is the next one of its rollout."""
    values = {**step.model_dump(), "decision": _text(step.decision)}
    connection.execute(sa.insert(rollout_stages), values)


def last_step(connection: sa.Connection, rollout_id: str) -> tuple[int, int, datetime]:
    """Sequence, pairs and moment of a rollout's last step.

    Raises
    ------
    LookupError : it has none, which no started rollout lacks
    """
    table = rollout_stages
    query = sa.select(table.c.sequence, table.c.pairs, table.c.at)
    query = query.where(table.c.rollout_id == rollout_id).order_by(table.c.sequence.desc())
    row = connection.execute(query.limit(1)).first()
    if row is None:
        raise LookupError(rollout_id)
    return row.sequence, row.pairs, row.at


def _values(row: RolloutRow) -> dict[str, Any]:
    values = row.model_dump()
    return {**values, **{name: _text(values[name]) for name in _DOCUMENTS}}


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=True, sort_keys=True)


def _rollout(row: sa.RowMapping) -> RolloutRow:
    return RolloutRow(**{**row, **{name: json.loads(row[name]) for name in _DOCUMENTS}})
