"""What outcomes say of many predictions at once.

Nearly every customer has one outcome: those are settled by column. Where one has several, the rule
of ``domain.outcomes.settle`` is asked, which this must equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from churnkit.data.zones import day_numbers
from churnkit.domain.moments import from_us
from churnkit.domain.outcomes import Settled, settle
from churnkit.features.windows import LabelWindows
from churnkit.ledger.outcome_columns import OutcomeColumns, outcome_columns
from churnkit.ledger.outcomes import outcomes_of
from churnkit.ledger.scored_columns import NEVER, Wanted

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_NO_LABEL = -1


@dataclass(frozen=True, eq=False)
class SettledColumns:
    """Of each prediction, shape (n,): whether it is settled, and how."""

    settled: Bools
    label: npt.NDArray[np.int8]
    """1 left, 0 stayed, -1 there is no label (or it is not settled)."""
    value: Floats
    """What the customer is worth; NaN: not told."""


def settle_all(
    engine: sa.Engine,
    wanted: Wanted,
    customers: Sequence[str],
    us: Ints,
    windows: LabelWindows,
    *,
    now: datetime,
    zone: str,
    match_days: int,
) -> SettledColumns:
    """What the ledger's outcomes say of predictions.

    Parameters
    ----------
    wanted : names the predictions to the database; others than these may be among them
    customers, us, windows : of each prediction: whose, from when, and its window
    """
    numbers: dict[str, int] = {}
    mine = np.array([numbers.setdefault(name, len(numbers)) for name in customers], dtype=np.int64)
    known = outcome_columns(engine, wanted, numbers, known_until=now)
    count = np.bincount(known.customer, minlength=len(numbers))
    found = _of_single(known, count, mine, us, windows, zone=zone, match_days=match_days)
    several = np.flatnonzero(count[mine] > 1) if len(mine) else np.empty(0, dtype=np.int64)
    if not len(several):
        return found
    told = outcomes_of(engine, {customers[i] for i in several.tolist()})
    for i in several.tolist():
        one = settle(
            told[customers[i]],
            as_of=from_us(int(us[i])),
            opens=from_us(int(windows.opens_us[i])),
            closes=from_us(int(windows.closes_us[i])),
            now=now,
            zone=zone,
            match_days=match_days,
        )
        _put(found, i, one)
    return found


def _put(found: SettledColumns, i: int, one: Settled | None) -> None:
    found.settled[i] = one is not None
    found.label[i] = _NO_LABEL if one is None or one.churned is None else one.churned
    found.value[i] = np.nan if one is None or one.value is None else one.value


def _of_single(
    known: OutcomeColumns,
    count: Ints,
    mine: Ints,
    us: Ints,
    windows: LabelWindows,
    *,
    zone: str,
    match_days: int,
) -> SettledColumns:
    """Predictions of customers of whom one outcome is known."""
    place = np.full(len(count), -1, dtype=np.int64)
    place[known.customer] = np.arange(len(known))
    place[count != 1] = -1
    outcome = place[mine]
    has = np.flatnonzero(outcome >= 0)
    told = outcome[has]
    moment, opens, closes = us[has], windows.opens_us[has], windows.closes_us[has]
    as_of = known.as_of[told]
    is_window = as_of != NEVER
    # A row about a window: of the same day, or so many days away.
    days = day_numbers(np.where(is_window, as_of, 0), zone)
    near = np.abs(days - day_numbers(moment, zone)) <= match_days
    # An observation: it must reach over the window, or name when he left.
    watched = known.observed_from[told] <= moment  # NEVER is before all
    left = known.churned_at[told]
    has_left = left != NEVER
    until = np.where(
        known.observed_to[told] == NEVER, known.known_at[told], known.observed_to[told]
    )
    label = np.where(
        has_left,
        np.where(left <= moment, _NO_LABEL, (left <= closes) & (left > opens)),
        0,
    )
    observed = watched & (has_left | (until >= closes))
    settled = np.where(is_window, near, observed)
    label = np.where(is_window, known.churned[told], label)
    all_settled = np.zeros(len(mine), dtype=np.bool_)
    all_labels = np.full(len(mine), _NO_LABEL, dtype=np.int8)
    values = np.full(len(mine), np.nan)
    all_settled[has] = settled
    all_labels[has] = np.where(settled, label, _NO_LABEL)
    values[has] = np.where(settled, known.value[told], np.nan)
    return SettledColumns(all_settled, all_labels, values)
