"""Whole days of a rollout's predictions with what became true: pairs that may be evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from churnkit.domain.rollouts import RolloutRow
from churnkit.ledger.rollout_counts import any_prediction
from churnkit.project import Project
from churnkit.rollout.pairs import Pairs
from churnkit.rollout.plan import Plan
from churnkit.usecases.outcomes.maturing import MaturedPairs, matured_pairs


@dataclass(frozen=True, slots=True)
class Days:
    """Pairs of all days from the last one that was taken in up to ``until``."""

    pairs: Pairs | None
    until: datetime | None
    """Where the last whole day ended; None: no further day is whole."""
    waiting_for: str
    """The first day that is due and lacks outcomes, in words; empty: none does."""


def new_days(
    project: Project,
    row: RolloutRow,
    plan: Plan,
    *,
    since: datetime | None,
    fresh_from: datetime | None,
    now: datetime,
) -> Days:
    """The days that have become whole since the last look.

    Parameters
    ----------
    since : the end of the last day that was taken in
    fresh_from : predictions that look from before are left out: their outcomes may have been
        learnt from
    """
    due = now - timedelta(days=row.days_to_mature)
    if not any_prediction(project.ledger.engine, row.rollout_id, since=since, until=due):
        return Days(None, None, "")
    table = matured_pairs(
        project,
        now=now,
        rollout_id=row.rollout_id,
        since=since,
        counting=plan.outcomes,
        smallest_propensity=plan.smallest_propensity,
    )
    last, waiting_for = _whole(table)
    if last is None:
        return Days(None, None, waiting_for)
    pairs = table.pairs()
    if fresh_from is not None:
        fresh = np.datetime64(fresh_from.replace(tzinfo=None), "us")
        pairs = pairs.take(pairs.predicted_at > fresh)
    zone = ZoneInfo(project.settings.project.zone)
    until = datetime.combine(last + timedelta(days=1), time(), zone)
    return Days(pairs, until, waiting_for)


def all_pairs(project: Project, row: RolloutRow, plan: Plan, *, now: datetime) -> Pairs:
    """Every matured pair of a rollout, for a replay."""
    return matured_pairs(
        project,
        now=now,
        rollout_id=row.rollout_id,
        counting=plan.outcomes,
        smallest_propensity=plan.smallest_propensity,
    ).pairs()


def _whole(table: MaturedPairs) -> tuple[date | None, str]:
    """The last day before the first that is not whole, and why that one is not."""
    last: date | None = None
    for cohort in table.cohorts:
        if not cohort.whole:
            if not cohort.matured:
                return last, ""
            return last, f"{cohort.day}: {cohort.n_settled:,} of {cohort.n:,} outcomes are known"
        last = cohort.day
    return last, ""
