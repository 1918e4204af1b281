"""The verbs of an experiment (A/B): plan, start, look, stop; ``experiment_assigning`` draws."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from churnkit.domain.experiments import (
    ExperimentPlan,
    ExperimentRow,
)
from churnkit.domain.models import JournalEntry
from churnkit.errors import (
    ExperimentRunning,
    NoChampion,
    PlanInvalid,
    RolloutRunning,
    StepNotAllowed,
    UnknownExperiment,
    did_you_mean,
)
from churnkit.ledger.experiments import (
    append_step,
    experiments_in,
    insert_experiment,
    mark_stopped,
    read_experiment_steps,
    read_experiments,
)
from churnkit.ledger.rollouts import rollouts_in
from churnkit.project import Project
from churnkit.registry.journal import holders
from churnkit.usecases.experiments.plans import AskedPlan, read_experiment_plan
from churnkit.usecases.experiments.reading import read_experiment
from churnkit.usecases.experiments.sizes import plan_experiment as plan_experiment
from churnkit.usecases.experiments.steps import experiment_step, journalled, read_then
from churnkit.usecases.experiments.views import ExperimentHistory, Experiments, ExperimentView
from churnkit.usecases.models.alias_moves import check_files, tell_followers
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.outcomes.label_spans import label_spans


def start_experiment(
    project: Project,
    plan: AskedPlan,
    *,
    why: str = "",
    who: str | None = None,
    salt: str | None = None,
    now: datetime | None = None,
) -> ExperimentView:
    """Fix a plan and a salt; from now on customers may enter.

    In an experiment of models a customer enters with his first request, which his arm's model
    answers; in one of treatments with ``assign_experiment``.

    Parameters
    ----------
    plan : a plan, its keys, or a TOML file of them
    why : a sentence for the history
    salt : of the assignment; None: a new one. Of an experiment that is there, it is that one

    Raises
    ------
    PlanInvalid : the plan cannot be used
    NoChampion, UnknownModelVersion, BundleError : a model of the plan cannot serve
    RolloutRunning, ExperimentRunning : these customers take part in something else
    """
    at = now or datetime.now(UTC)
    chosen = read_experiment_plan(plan)
    versions = _versions(project, chosen)
    row = ExperimentRow(
        experiment_id="",
        number=0,
        kind=chosen.kind,
        plan=chosen.model_dump(mode="json"),
        salt=salt or secrets.token_hex(8),
        versions=versions,
        champion=find_version(project).version if versions else "",
        days_to_mature=label_spans(project).days_to_mature,
        started_at=at,
    )
    # In the journal's turn, as rollouts start: of two that exclude each other one is refused.
    with project.ledger.journal_turn() as turn:
        rows = experiments_in(turn.connection)
        same = next((one for one in rows if one.salt == row.salt), None)
        if same is None:
            going = next((one for one in rollouts_in(turn.connection) if not one.outcome), None)
            if going is not None:
                raise RolloutRunning(
                    f"{going.rollout_id} ({going.challenger} against {going.champion}) has all "
                    "customers, and has not ended.",
                    fix="Wait for its verdict, or abort it with a reason.",
                    rollout=going.rollout_id,
                )
            _alone(rows, row)
            if versions and holders(turn.entries())["champion"] != row.champion:
                raise NoChampion("the champion changed just now.", fix="Try again.")
            number = max((one.number for one in rows), default=0) + 1
            row = row.model_copy(update={"experiment_id": f"e{number}", "number": number})
            insert_experiment(turn.connection, row)
            step = experiment_step(row, "start", at, who, why or "started", {"plan": row.plan})
            append_step(turn.connection, step)
            entries = journalled(turn, row, step, {"plan": row.plan, "salt": row.salt})
        else:
            row, entries = same, ()
    if entries:
        tell_followers(project, entries, at)
    return ExperimentView(read_experiment(project, row, now=at))


def experiments(project: Project) -> Experiments:
    """All experiments, the oldest first."""
    return Experiments(read_experiments(project.ledger.engine))


def experiment_status(
    project: Project, experiment_id: str | None = None, *, now: datetime | None = None
) -> ExperimentView:
    """Where an experiment stands, and what may be read off it; look as often as you like.

    Parameters
    ----------
    experiment_id : None: the latest one that runs, otherwise the latest

    Raises
    ------
    UnknownExperiment : there is none
    """
    row = find_experiment(project, experiment_id)
    return ExperimentView(read_experiment(project, row, now=now or datetime.now(UTC)))


def experiment_history(project: Project, experiment_id: str | None = None) -> ExperimentHistory:
    """What was done with an experiment, by whom and why.

    Raises
    ------
    UnknownExperiment : there is none
    """
    row = find_experiment(project, experiment_id)
    steps = read_experiment_steps(project.ledger.engine, row.experiment_id)
    return ExperimentHistory(row, steps)


def stop_experiment(
    project: Project,
    experiment_id: str | None,
    why: str,
    *,
    who: str | None = None,
    now: datetime | None = None,
) -> ExperimentView:
    """Let nobody enter any more; who is in it is followed until his outcome has matured.

    What was read at that moment goes into the history. Stopping again changes nothing.

    Raises
    ------
    UnknownExperiment : there is none
    StepNotAllowed : there is no reason
    """
    if not why.strip():
        raise StepNotAllowed("to stop an experiment needs a reason.", fix="Say it in a sentence.")
    at = now or datetime.now(UTC)
    row = find_experiment(project, experiment_id)
    seen = read_experiment(project, row, now=at)
    if row.stopped_at is None:
        document = seen.model_dump(
            mode="json", exclude={"experiment": True, "effects": {"__all__": {"path"}}}
        )
        entries: tuple[JournalEntry, ...] = ()
        with project.ledger.journal_turn() as turn:
            if mark_stopped(turn.connection, row.experiment_id, at):
                step = experiment_step(row, "stop", at, who, why, document)
                append_step(turn.connection, step)
                entries = journalled(turn, row, step, read_then(seen))
        if entries:
            tell_followers(project, entries, at)
    return experiment_status(project, row.experiment_id, now=at)


def find_experiment(project: Project, experiment_id: str | None = None) -> ExperimentRow:
    """An experiment by its name; None: the latest one that runs, otherwise the latest.

    Raises
    ------
    UnknownExperiment : there is no such one
    """
    rows = read_experiments(project.ledger.engine)
    if experiment_id is None:
        if not rows:
            raise UnknownExperiment(
                "there is no experiment yet.", fix="Start one with 'churnkit experiment start'."
            )
        return next((row for row in reversed(rows) if row.stopped_at is None), rows[-1])
    row = next((row for row in rows if row.experiment_id == experiment_id), None)
    if row is None:
        raise UnknownExperiment(
            f"there is no experiment '{experiment_id}'.",
            fix=did_you_mean(experiment_id, [one.experiment_id for one in rows]),
            experiment=experiment_id,
        )
    return row


def _versions(project: Project, plan: ExperimentPlan) -> dict[str, str]:
    """The versions of the arms of an experiment of models."""
    if plan.kind != "models":
        return {}
    champion = find_version(project)
    found = {arm.name: find_version(project, arm.model) for arm in plan.arms}
    named = [one.version for one in found.values()]
    if named.count(champion.version) != 1:
        raise PlanInvalid(
            f"one of the arms must be the champion ({champion.version}), and only one.",
            fix=f"The arms' models are {', '.join(named)}.",
            key="arms",
        )
    for one in found.values():
        check_files(project, one)
    return {name: one.version for name, one in found.items()}


def _alone(rows: Sequence[ExperimentRow], row: ExperimentRow) -> None:
    """Refuse what would take customers from an experiment that runs."""
    for one in rows:
        if one.stopped_at is None and "models" in (one.kind, row.kind):
            raise ExperimentRunning(
                f"{one.experiment_id} (of {one.kind}) has not been stopped, and an experiment of "
                "models has all customers.",
                fix=f"Stop it with 'churnkit experiment stop {one.experiment_id} --why …'.",
                experiment=one.experiment_id,
            )
