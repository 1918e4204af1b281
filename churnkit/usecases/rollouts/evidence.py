"""What a look at a rollout sees: the ledger's new rows become evidence, in whole cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from churnkit.domain.moments import to_us
from churnkit.domain.rollouts import RolloutRow, RolloutStep
from churnkit.errors import EvidenceInvalid
from churnkit.ledger import rollout_counts
from churnkit.ledger.rollout_arms import Period, arm_counts
from churnkit.ledger.rollout_arrivals import (
    earliest_moment,
    exposed_customers,
    first_requests,
    part_end,
)
from churnkit.ledger.rollout_counts import outcomes_since
from churnkit.project import Project
from churnkit.rollout.controller import Evidence, Signal
from churnkit.rollout.evidence import Watermark, absorb, count_failures
from churnkit.rollout.forecast import Supply, expected_supply
from churnkit.rollout.gathered import Exposed, Gathered
from churnkit.rollout.plan import Plan
from churnkit.rollout.position import Position
from churnkit.rollout.quantile import QuantileState
from churnkit.rollout.ratio import KnownBucket
from churnkit.usecases.rollouts.drift import score_signals, take_in_scores
from churnkit.usecases.rollouts.pairs import new_days

SETTLED = timedelta(seconds=60)
"""After a request both scores are in the ledger, and after a step all replicas know of it."""
_AGAIN = timedelta(hours=1)
"""So often it is looked whether a day has matured, where no outcome came meanwhile."""
_LAST = "\U0010ffff"
"""Sorts after every customer's id."""


def gather(
    project: Project,
    row: RolloutRow,
    plan: Plan,
    position: Position,
    steps: Sequence[RolloutStep],
    *,
    now: datetime,
    signals: tuple[Signal, ...] = (),
    past: bool = False,
) -> tuple[Gathered, Evidence]:
    """Everything that a decision looks at, and what is kept of it for the next look.

    Parameters
    ----------
    steps : what was done with the rollout so far; they say when which share began
    past : ask the log about past dates, where the plan accepts them
    """
    known = _with_earliest(project, row, Gathered.model_validate(row.evidence))
    try:
        known = _outcomes(project, row, plan, known, now)
        has_log = project.settings.events is not None and project.database.exists()
        if past and plan.accept_history and has_log:
            # DuckDB is loaded where there is a log to ask, never by a replica that only serves.
            from churnkit.usecases.rollouts.past import take_in_past

            known = take_in_past(project, row, plan, known, now=now)
    except EvidenceInvalid as error:
        # Such as treated customers where everyone should count: a person has to look.
        signals = (*signals, _no_evidence(error))
    known = _requests(project, row, plan, steps, known, now)
    signals = (*signals, *score_signals(project, row, plan, known))
    if plan.latency is not None:
        known = _latency(project, row, plan, known, now)
    known, customers = _exposed(project, row, plan, position, known, now)
    evidence = Evidence(
        position=position,
        live=known.live,
        history=known.history,
        errors=known.errors,
        latency=known.latency,
        ratio=known.ratio,
        signals=signals,
        customers_in_stage=customers,
        supply=supply_of(row, known, now),
    )
    return known, evidence


def supply_of(row: RolloutRow, known: Gathered, now: datetime) -> Supply | None:
    """How many matured pairs there will be by when; None where the load is not known."""
    customers = row.forecast.get("customers")
    per_day = row.forecast.get("predictions_per_day")
    if not customers or not per_day:
        return None
    planned = expected_supply(
        start=row.created_at,
        customers=int(customers),
        predictions_per_day=float(per_day),
        days_to_mature=row.days_to_mature,
        counted_share=float(row.forecast.get("counted_share", 1.0)),
    )
    # What came in fact moves the curve: the expectation from here on is the planned growth.
    due = max((n for at, n in planned.points if at <= now), default=0)
    shift = known.live.n - due
    return Supply(points=tuple((at, max(n + shift, 0)) for at, n in planned.points if at >= now))


def _outcomes(
    project: Project, row: RolloutRow, plan: Plan, known: Gathered, now: datetime
) -> Gathered:
    """Take in all days that are whole by now, in the order of their predictions."""
    tried, engine = known.outcomes_tried, project.ledger.engine
    # Joining a large rollout with its outcomes takes a while, and mostly nothing is new.
    lately = tried is not None and now - tried < _AGAIN
    if not _may_be_due(project, row, known, now):
        return known
    if tried is not None and lately and not outcomes_since(engine, tried - SETTLED):
        return known
    found = new_days(
        project, row, plan, since=known.outcomes_until, fresh_from=known.fresh_from, now=now
    )
    known = known.model_copy(update={"waiting_for": found.waiting_for, "outcomes_tried": now})
    if found.pairs is None or found.until is None:
        return known
    live = absorb(plan, known.live, found.pairs)
    # The evidence is kept and shown: its mark stands behind a whole day and names nobody.
    mark = Watermark(predicted_at_us=to_us(found.until) - 1, customer_id=_LAST)
    live = live.model_copy(update={"watermark": mark})
    return known.model_copy(update={"live": live, "outcomes_until": found.until})


def _with_earliest(project: Project, row: RolloutRow, known: Gathered) -> Gathered:
    """The first moment, asked for where requests were counted before it was kept.

    Without it the days of those requests would wait for those that come from now on.
    """
    if known.earliest is not None or known.requests_until is None:
        return known
    engine, settled = project.ledger.engine, known.requests_until
    since, found = None, []
    while since is None or since < settled:
        end = part_end(engine, row.rollout_id, since=since, until=settled)
        found.append(earliest_moment(engine, row.rollout_id, since=since, until=end))
        since = end
    moments = [one for one in found if one is not None]
    return known.model_copy(update={"earliest": min(moments, default=None)})


def _may_be_due(project: Project, row: RolloutRow, known: Gathered, now: datetime) -> bool:
    """Whether a day that was not taken in could have matured, by what is known without asking."""
    due = now - timedelta(days=row.days_to_mature)
    if known.outcomes_until is None:
        return known.earliest is None or known.earliest <= due
    zone = ZoneInfo(project.settings.project.zone)
    following = known.outcomes_until.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(following, time(), zone) <= due


def _no_evidence(error: EvidenceInvalid) -> Signal:
    return Signal(name="outcomes", alarm=True, detail=error.what.rstrip("."), lasting=True)


def _exposed(
    project: Project,
    row: RolloutRow,
    plan: Plan,
    position: Position,
    known: Gathered,
    now: datetime,
) -> tuple[Gathered, int]:
    """Customers whom both models scored in this stage; those of long ago are counted once."""
    begin = position.stage_since
    so_far = known.exposed
    if so_far is None or so_far.begin != begin:
        so_far = Exposed(begin=begin, until=begin, n=0)

    def count(until: datetime) -> int:
        assert so_far is not None
        return exposed_customers(
            project.ledger.engine,
            row.rollout_id,
            begin=begin,
            since=so_far.until if so_far.until > begin else None,
            until=until,
            answered_only=position.share(plan) > 0,
        )

    settled = now - SETTLED
    while so_far.until < settled:
        end = part_end(project.ledger.engine, row.rollout_id, since=so_far.until, until=settled)
        so_far = Exposed(begin=begin, until=end, n=so_far.n + count(end))
    return known.model_copy(update={"exposed": so_far}), so_far.n + count(now)


def _requests(
    project: Project,
    row: RolloutRow,
    plan: Plan,
    steps: Sequence[RolloutStep],
    known: Gathered,
    now: datetime,
) -> Gathered:
    """Failures, arms and scores of the customers who came since the last look."""
    settled = now - SETTLED
    while settled > (known.requests_until or row.created_at):
        end = part_end(
            project.ledger.engine, row.rollout_id, since=known.requests_until, until=settled
        )
        known = _some_requests(project, row, plan, steps, known, end, now)
    return known


def _some_requests(
    project: Project,
    row: RolloutRow,
    plan: Plan,
    steps: Sequence[RolloutStep],
    known: Gathered,
    until: datetime,
    now: datetime,
) -> Gathered:
    engine, since = project.ledger.engine, known.requests_until
    first = first_requests(engine, row.rollout_id, since=since, until=until)
    failed = [first.both, first.champion_failed, first.challenger_failed]
    champion_failed = np.repeat([False, True, False], failed)
    errors = known.errors
    if len(champion_failed):
        errors = count_failures(errors, champion_failed, np.repeat([False, False, True], failed))
    ratio = known.ratio
    periods = periods_of(steps, until)
    for place, period in enumerate(periods):
        start = max(period.since, since or period.since)
        if start >= period.until:
            continue
        counted = arm_counts(
            engine,
            row.rollout_id,
            period=period,
            earlier=periods[:place],
            since=start,
            until=period.until,
        )
        for arm in counted:
            # A contradiction says that the buckets are not kept: it is counted as the surprise
            # that it is, and KnownBucket never sees it.
            bucket = KnownBucket(arm.low, arm.high) if arm.low < arm.high else KnownBucket()
            p = bucket.challenger_probability(period.share)
            ratio = ratio.count((p, 1 - p), (arm.n, 0) if arm.challenger else (0, arm.n))
    scores = take_in_scores(project, row, plan, known, since=since, until=until, now=now)
    moments = [one for one in (known.earliest, first.earliest) if one is not None]
    return known.model_copy(
        update={
            "errors": errors,
            "ratio": ratio,
            "scores": scores,
            "requests_until": until,
            "earliest": min(moments, default=None),
            "unpaired": known.unpaired + first.unpaired,
        }
    )


def periods_of(steps: Sequence[RolloutStep], until: datetime) -> list[Period]:
    """Times of constant share, each from when all replicas knew of it."""
    changes: list[tuple[datetime, float]] = []
    for step in steps:
        if not changes or changes[-1][1] != step.share:
            changes.append((step.at, step.share))
    ends = [at for at, _ in changes[1:]] + [until]
    return [
        Period(share=share, since=min(at + SETTLED, end), until=min(end, until))
        for (at, share), end in zip(changes, ends, strict=True)
    ]


def _latency(
    project: Project, row: RolloutRow, plan: Plan, known: Gathered, now: datetime
) -> Gathered:
    assert plan.latency is not None
    until = now - 2 * SETTLED  # a minute is written when it is over
    values = rollout_counts.latency_windows(
        project.ledger.engine,
        row.rollout_id,
        "challenger",
        since=known.windows_until,
        until=until,
    )
    state = (known.latency or QuantileState(q=plan.latency.q)).add(values)
    return known.model_copy(update={"latency": state, "windows_until": until})
