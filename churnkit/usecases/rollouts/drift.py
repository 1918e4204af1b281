"""Drift of the scores of a rollout's two models: it may pause the rollout, and nothing else.

Each model's scores of the rollout's customers are compared with its scores of the customers whom
it was tested on. The unit is a customer's first request in the rollout. The state is a few
counters, kept with the rollout's evidence, so that any replica goes on with it.
"""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any

from churnkit.domain.rollouts import RolloutRow
from churnkit.errors import BaselineChanged
from churnkit.ledger.rollout_arrivals import first_scores
from churnkit.monitoring.counting import Counts, count_customers, no_counts
from churnkit.monitoring.drift import DriftTest
from churnkit.monitoring.drift_report import DriftReport
from churnkit.monitoring.drift_state import DriftState
from churnkit.project import Project
from churnkit.rollout.assignment import CHALLENGER, CHAMPION
from churnkit.rollout.controller import Signal
from churnkit.rollout.gathered import Gathered
from churnkit.rollout.plan import Plan, budget
from churnkit.usecases.monitoring.drifting import score_baseline

States = dict[str, dict[str, Any]]


def take_in_scores(
    project: Project,
    row: RolloutRow,
    plan: Plan,
    known: Gathered,
    *,
    since: datetime | None,
    until: datetime,
    now: datetime,
) -> States:
    """The tests' states with the customers whose first request was in (since, until]."""
    tests = _tests(project, row, plan)
    new: dict[str, Counts] = {arm: no_counts(test.baseline) for arm, test in tests.items()}
    if new:
        chunks = first_scores(project.ledger.engine, row.rollout_id, since=since, until=until)
        for arm, scores in chunks:
            if arm in new:
                new[arm] = new[arm] + count_customers(tests[arm].baseline, {}, scores)
    states = dict(known.scores)
    for arm, counts in new.items():
        if counts.n_rows:
            state = tests[arm].look(_state(tests[arm], states.get(arm), now), counts, at=now)
            states[arm] = state.model_dump(mode="json")
    return states


def score_signals(
    project: Project, row: RolloutRow, plan: Plan, known: Gathered
) -> tuple[Signal, ...]:
    """What the tests say so far, for each model of which customers were counted."""
    found: list[Signal] = []
    for arm, test in _tests(project, row, plan).items():
        if arm not in known.scores:
            continue
        try:
            report = test.report(DriftState.model_validate(known.scores[arm]))
        except BaselineChanged:
            continue
        alarm = report.alarm is not None and plan.score_drift == "pause"
        found.append(
            Signal(name=f"score drift of {_version(row, arm)}", alarm=alarm, detail=_told(report))
        )
    return tuple(found)


def _tests(project: Project, row: RolloutRow, plan: Plan) -> dict[str, DriftTest]:
    """By arm; an arm whose bundle has no scores to compare with is not there."""
    alpha = budget(plan, row.attempt).drift
    tests: dict[str, DriftTest] = {}
    for arm in (CHAMPION, CHALLENGER):
        baseline = score_baseline(project, _version(row, arm))
        if baseline is not None:
            seed = zlib.crc32(f"{row.rollout_id}/{arm}".encode())
            tests[arm] = DriftTest(baseline, seed=seed, alpha=alpha)
    return tests


def _state(test: DriftTest, known: dict[str, Any] | None, now: datetime) -> DriftState:
    return test.begin(now) if known is None else DriftState.model_validate(known)


def _version(row: RolloutRow, arm: str) -> str:
    return row.champion if arm == CHAMPION else row.challenger


def _told(report: DriftReport) -> str:
    (score,) = report.features
    what = f"PSI {score.overall.psi.value:.2g} over {report.n_rows:,} customers"
    if report.alarm is None:
        return f"not proven, {what}"
    moved = score.moved
    return (
        f"proven at {report.alarm.row:,} customers ({what}); scores {moved.bin} were"
        f" {moved.before:.1%}, and are {moved.now:.1%}"
    )
