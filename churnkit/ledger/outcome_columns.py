"""Outcomes of many customers by column: those of everybody who was predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from churnkit.ledger.scored_columns import Ints, Wanted, raw_moment, to_us_array
from churnkit.ledger.tables import outcomes, predictions
from churnkit.ledger.transactions import reading

_CHUNK = 2_000
_MOMENTS = ("as_of", "observed_from", "observed_to", "churned_at", "known_at")


@dataclass(frozen=True, eq=False)
class OutcomeColumns:
    """Outcomes in no order; columns of shape (n,), moments in microseconds UTC or ``NEVER``."""

    customer: Ints
    """The customer's number."""
    as_of: Ints
    observed_from: Ints
    observed_to: Ints
    churned_at: Ints
    known_at: Ints
    churned: npt.NDArray[np.int8]
    """1, 0, or -1: settled that there is no label."""
    value: npt.NDArray[np.float64]
    """NaN: not told."""

    def __len__(self) -> int:
        return len(self.customer)


def outcome_columns(
    engine: sa.Engine, wanted: Wanted, numbers: Mapping[str, int], *, known_until: datetime
) -> OutcomeColumns:
    """What was known at a moment of the customers of these predictions.

    Parameters
    ----------
    numbers : of the customers; others are left out
    """
    table, scored = outcomes, predictions.alias("scored")
    query = sa.select(
        table.c.customer_id,
        *(raw_moment(table.c[name], engine.dialect).label(name) for name in _MOMENTS),
        table.c.churned,
        table.c.value,
    ).where(
        table.c.known_at <= known_until,
        table.c.customer_id.in_(sa.select(scored.c.customer_id).where(*wanted.conditions(scored))),
    )
    parts: list[tuple[Any, ...]] = []
    with reading(engine) as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=_CHUNK)
        for chunk in streamed.execute(query).partitions():
            names, *moments, churned, value = zip(*chunk, strict=True)
            parts.append(
                (
                    np.array([numbers.get(name, -1) for name in names], dtype=np.int64),
                    *map(to_us_array, moments),
                    np.array([-1 if one is None else one for one in churned], dtype=np.int8),
                    np.array(value, dtype=np.float64),
                )
            )
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return OutcomeColumns(
            none, none, none, none, none, none, none.astype(np.int8), none.astype(np.float64)
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    mine = columns[0] >= 0
    return OutcomeColumns(*(column[mine] for column in columns))
