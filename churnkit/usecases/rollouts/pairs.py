"""Whole days of a rollout's predictions with what became true: pairs that may be evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from churnkit.domain.rollouts import RolloutRow
from churnkit.ledger.rollout_counts import any_prediction
from churnkit.project import Project
from churnkit.rollout.pairs import Pairs
from churnkit.rollout.plan import Plan
from churnkit.usecases.outcomes.maturing import MaturedPairs, matured_pairs

_INSTANT = timedelta(microseconds=1)


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
    fresh_from : predictions that look from before are left out, and waited for neither: their
        outcomes may have been learnt from
    """
    since = max((one for one in (since, _behind(fresh_from)) if one is not None), default=None)
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
    zone = ZoneInfo(project.settings.project.zone)
    until = datetime.combine(last + timedelta(days=1), time(), zone)
    return Days(table.pairs(), until, waiting_for)


def all_pairs(
    project: Project, row: RolloutRow, plan: Plan, *, fresh_from: datetime | None, now: datetime
) -> Pairs:
    """Every matured pair of a rollout that may be evidence, for a replay; see ``new_days``."""
    return matured_pairs(
        project,
        now=now,
        rollout_id=row.rollout_id,
        since=_behind(fresh_from),
        counting=plan.outcomes,
        smallest_propensity=plan.smallest_propensity,
    ).pairs()


def _behind(fresh_from: datetime | None) -> datetime | None:
    return None if fresh_from is None else fresh_from + _INSTANT


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
