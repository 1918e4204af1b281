"""Who enters an experiment, with which arm and which churn score from before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from churnkit.domain.experiments import ExperimentEntry, ExperimentRow
from churnkit.ledger.experiments import (
    ENTRY_LOCK,
    add_entries,
    first_answers,
    last_scores,
)
from churnkit.project import Project
from churnkit.rollout.assignment import CHALLENGER, CHAMPION, Assignment
from churnkit.usecases.suppressing import erased_within

_AT_ONCE = 20_000


def assignment_of(row: ExperimentRow) -> Assignment:
    """How customers are shared out between the arms."""
    return Assignment(salt=row.salt, weights=row.planned.weights)


def serving_assignment(row: ExperimentRow) -> Assignment:
    """The same draw under the names by which models answer: champion and challenger."""
    named = [
        (CHAMPION if row.versions[arm] == row.champion else CHALLENGER, weight)
        for arm, weight in row.planned.weights
    ]
    return Assignment(salt=row.salt, weights=tuple(named))


def take_answered(project: Project, row: ExperimentRow) -> None:
    """In an experiment of models: who was answered since the last look enters it.

    His arm is the one that was drawn, also where the other model had to answer for it. His score
    is the last one from before the experiment, which no arm can have touched.
    """
    if row.kind != "models":
        return
    assignment = assignment_of(row)
    champion_arm = _champion_arm(row)
    other = next(arm for arm in row.versions if arm != champion_arm)
    erased = erased_within(project)
    with project.ledger.writing(lock=ENTRY_LOCK) as connection:
        found = list(first_answers(connection, row.experiment_id))
        for start in range(0, len(found), _AT_ONCE):
            part = found[start : start + _AT_ONCE]
            scores = last_scores(connection, [one[0] for one in part], row.started_at)
            arms = assignment.arms(one[0] for one in part)
            entries = [
                ExperimentEntry(
                    experiment_id=row.experiment_id,
                    customer_id=customer,
                    arm=arm,
                    given=other if variant == CHALLENGER else champion_arm,
                    probability=row.planned.arm(arm).weight,
                    entered_at=made_at,
                    moment=moment,
                    score=scores.get(customer),
                )
                for (customer, variant, made_at, moment), arm in zip(part, arms, strict=True)
            ]
            add_entries(connection, entries, erased=erased)


def drawn(
    row: ExperimentRow,
    customer_ids: Sequence[str],
    scores: dict[str, float],
    at: datetime,
) -> list[ExperimentEntry]:
    """In an experiment of treatments: the entries of customers who enter now."""
    plan = row.planned
    return [
        ExperimentEntry(
            experiment_id=row.experiment_id,
            customer_id=customer,
            arm=arm,
            given=arm,
            probability=plan.arm(arm).weight,
            entered_at=at,
            moment=at,
            score=scores.get(customer),
        )
        for customer, arm in zip(customer_ids, assignment_of(row).arms(customer_ids), strict=True)
    ]


def _champion_arm(row: ExperimentRow) -> str:
    """The arm whose model was the champion at the start: the other one is the challenger."""
    return next(arm for arm, version in row.versions.items() if version == row.champion)
