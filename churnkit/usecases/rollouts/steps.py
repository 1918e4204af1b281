"""A rollout's step in one transaction: its row, its history, the journal, and who serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from churnkit.domain.experiments import ExperimentRow
from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.domain.rollouts import RolloutRow, RolloutStep
from churnkit.errors import ExperimentRunning, RolloutChanged, UnknownRollout, did_you_mean
from churnkit.ledger.experiments import experiments_in
from churnkit.ledger.rollouts import (
    insert_rollout,
    insert_step,
    last_step,
    open_rollout,
    read_rollout,
    read_rollouts,
    rollouts_in,
    update_rollout,
)
from churnkit.project import Project
from churnkit.registry.journal import holders, seal
from churnkit.rollout.controller import Decision
from churnkit.rollout.gathered import Gathered
from churnkit.rollout.plan import Plan
from churnkit.rollout.position import Position
from churnkit.usecases.models.alias_moves import champion_entries, check_files, tell_followers
from churnkit.usecases.suppressing import erased_within

CONTROLLER = "controller"
"""Who acts when nobody does."""
Number = Callable[[Sequence[RolloutRow], Sequence[JournalEntry], RolloutRow], RolloutRow]
Action = Literal["start", "advance", "pause", "resume", "promote", "abort"]
_GROWTH = 1.02
"""What was seen while waiting is kept when there are so many times more pairs."""


def find_rollout(project: Project, rollout_id: str | None = None) -> RolloutRow:
    """A rollout by its name; None: the one that runs, otherwise the latest.

    Raises
    ------
    UnknownRollout : there is no such one
    """
    engine = project.ledger.engine
    if rollout_id is not None:
        row = read_rollout(engine, rollout_id)
        if row is None:
            known = [one.rollout_id for one in read_rollouts(engine)]
            raise UnknownRollout(
                f"there is no rollout '{rollout_id}'.",
                fix=did_you_mean(rollout_id, known),
                rollout=rollout_id,
            )
        return row
    running = open_rollout(engine)
    if running is not None:
        return running
    rows = read_rollouts(engine)
    if not rows:
        raise UnknownRollout(
            "there is no rollout yet.", fix="Start one with 'churnkit rollout start'."
        )
    return rows[-1]


def plan_of(row: RolloutRow) -> Plan:
    """The plan that a rollout was started with."""
    return Plan.model_validate(row.plan)


def position_of(row: RolloutRow) -> Position:
    """Where a rollout stands."""
    return Position.model_validate(row.position)


def document(model: Decision | Plan | Position | Gathered) -> dict[str, Any]:
    """A model as plain JSON data; bounds that are not known yet are null."""
    plain: dict[str, Any] = json.loads(model.model_dump_json())
    return plain


def add_started(
    project: Project,
    row: RolloutRow,
    overrides: Mapping[str, str],
    *,
    who: str,
    why: str,
    number: Number,
) -> RolloutRow:
    """Write a new rollout; the challenger has its alias from then on.

    Parameters
    ----------
    overrides : arms of named customers; one who was erased is left out
    number : gives the new rollout its number and attempt, within the transaction; one that is
        there already is given back as it is
    """
    plan = plan_of(row)
    erased = erased_within(project)
    with project.ledger.journal_turn() as turn:
        entries, rows = turn.entries(), rollouts_in(turn.connection)
        row = number(rows, entries, row)
        if row in rows:
            return row
        no_experiment(experiments_in(turn.connection))
        gone = erased(turn.connection, overrides)
        named = {name: arm for name, arm in overrides.items() if name not in gone}
        insert_rollout(turn.connection, row, named)
        step = RolloutStep(
            rollout_id=row.rollout_id,
            sequence=1,
            at=row.created_at,
            who=who,
            action="start",
            stage=plan.stages[0].name,
            share=0.0,
            pairs=0,
            why=why,
            decision={},
        )
        insert_step(turn.connection, step)
        new = (
            seal(
                at=row.created_at,
                who=who,
                action="start",
                alias="challenger",
                version=row.challenger,
                why=why,
                evidence={
                    "rollout": row.rollout_id,
                    "attempt": row.attempt,
                    "champion": row.champion,
                    "plan": row.plan,
                    "salt": row.salt,
                    "overrides": len(named),
                },
                journal=entries,
            ),
        )
        turn.append(new)
    tell_followers(project, (*entries, *new), row.created_at)
    return row


def no_experiment(rows: Sequence[ExperimentRow]) -> None:
    """Refuse a rollout while an experiment has customers: each would disturb the other's."""
    going = next((row for row in rows if row.stopped_at is None), None)
    if going is not None:
        raise ExperimentRunning(
            f"experiment {going.experiment_id} (of {going.kind}) has not been stopped, and a "
            "rollout would take its customers.",
            fix=f"Stop it with 'churnkit experiment stop {going.experiment_id} --why …'.",
            experiment=going.experiment_id,
        )


def write_step(
    project: Project,
    seen: RolloutRow,
    position: Position,
    *,
    action: Action,
    who: str,
    why: str,
    at: datetime,
    decision: Decision | None = None,
    gathered: Gathered | None = None,
) -> RolloutRow:
    """Move a rollout, if it still stands where it was seen: all of it in one transaction.

    Raises
    ------
    RolloutChanged : somebody moved it, or looked, meanwhile; nothing was written
    BundleError : the files of a challenger that is to be promoted are not what was admitted
    """
    plan = plan_of(seen)
    known = gathered or Gathered.model_validate(seen.evidence)
    versions = {one.version: one for one in project.ledger.model_versions()}
    if action == "promote":
        check_files(project, versions[seen.challenger])
    told = seen.decision if decision is None else document(decision)
    row = seen.model_copy(
        update={
            "position": document(position),
            "evidence": document(known),
            "decision": told,
            "revision": seen.revision + 1,
            "looks": seen.looks + 1,
            "looked_at": seen.looked_at if decision is None else at,
            "ended_at": at if position.over else None,
            "outcome": position.condition if position.over else None,
        }
    )
    with project.ledger.journal_turn() as turn:
        if not update_rollout(turn.connection, row, seen=seen):
            raise changed(seen)
        sequence, _, _ = last_step(turn.connection, seen.rollout_id)
        step = RolloutStep(
            rollout_id=row.rollout_id,
            sequence=sequence + 1,
            at=at,
            who=who,
            action=action,
            stage=plan.stages[position.stage].name,
            share=position.share(plan),
            pairs=known.live.n,
            why=why,
            decision=told if decision is not None else {},
        )
        insert_step(turn.connection, step)
        entries = turn.entries()
        evidence = _evidence(row, position.share(plan), told, known.live.n)
        new = _entries(entries, versions, row, action, at=at, who=who, why=why, evidence=evidence)
        turn.append(new)
    tell_followers(project, (*entries, *new), at)
    return row


def write_look(
    project: Project, seen: RolloutRow, decision: Decision, gathered: Gathered
) -> RolloutRow:
    """Keep what a look saw that changes nothing; the curve of what was seen grows thinner.

    Raises
    ------
    RolloutChanged : somebody moved it, or looked, meanwhile; nothing was written
    """
    told = document(decision)
    row = seen.model_copy(
        update={
            "evidence": document(gathered),
            "decision": told,
            "looks": seen.looks + 1,
            "looked_at": decision.at,
        }
    )
    with project.ledger.writing() as connection:
        if not update_rollout(connection, row, seen=seen):
            raise changed(seen)
        sequence, pairs, _ = last_step(connection, seen.rollout_id)
        if gathered.live.n > _GROWTH * pairs:
            step = RolloutStep(
                rollout_id=row.rollout_id,
                sequence=sequence + 1,
                at=decision.at,
                who=CONTROLLER,
                action="wait",
                stage=decision.stage,
                share=decision.share,
                pairs=gathered.live.n,
                why=decision.reason,
                decision=told,
            )
            insert_step(connection, step)
    return row


def changed(row: RolloutRow) -> RolloutChanged:
    """Somebody was quicker."""
    return RolloutChanged(
        f"somebody changed {row.rollout_id} since it was looked at.",
        fix="Look at it again ('churnkit rollout status'), then decide.",
        rollout=row.rollout_id,
    )


def _entries(
    entries: Sequence[JournalEntry],
    versions: Mapping[str, ModelVersion],
    row: RolloutRow,
    action: Action,
    *,
    at: datetime,
    who: str,
    why: str,
    evidence: Mapping[str, Any],
) -> tuple[JournalEntry, ...]:
    if action == "promote":
        return champion_entries(
            entries,
            versions[row.challenger],
            action="promote",
            before=versions.get(holders(entries)["champion"] or ""),
            at=at,
            who=who,
            why=why,
            evidence=evidence,
        )
    return (
        seal(
            at=at,
            who=who,
            action=action,
            alias="challenger",
            # Who has the alias keeps it: a step of a rollout moves customers, not the alias.
            version=holders(entries)["challenger"],
            why=why,
            evidence=evidence,
            journal=entries,
        ),
    )


def _evidence(
    row: RolloutRow, share: float, decision: Mapping[str, Any], pairs: int
) -> dict[str, Any]:
    """What the journal keeps of what was seen."""
    kept = (
        "role",
        "metric",
        "stream",
        "state",
        "n",
        "mean",
        "lower",
        "upper",
        "alpha",
        "tolerance",
    )
    return {
        "rollout": row.rollout_id,
        "attempt": row.attempt,
        "challenger": row.challenger,
        "share": share,
        "pairs": pairs,
        "verdict": decision.get("verdict"),
        "readings": [
            {name: reading[name] for name in kept} for reading in decision.get("readings", ())
        ],
        "signals": [
            {name: signal[name] for name in ("name", "alarm", "detail")}
            for signal in decision.get("signals", ())
        ],
    }
