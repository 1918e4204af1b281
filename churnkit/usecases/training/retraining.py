"""A new model made by itself: is one due, and then step by step, so that a crash costs one step.

data → train → compare → rollout. Each step's result is written down before the next begins, and
a step that was done is found and not done again. It never promotes: the rollout decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from rich.console import RenderableType
from rich.text import Text

from churnkit.domain.models import ModelVersion
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.domain.retraining import RetrainingRow, RetrainingStep
from churnkit.errors import (
    ExperimentRunning,
    NoChampion,
    NothingMatured,
    PlanInvalid,
    RolloutRunning,
    StepNotAllowed,
)
from churnkit.ledger.retrainings import (
    begin_retraining,
    read_retrainings,
    take_over,
    write_step,
)
from churnkit.monitoring.alerts import Alert
from churnkit.monitoring.triggers import Trigger, TriggerFacts, TriggerRules, triggers
from churnkit.project import Project
from churnkit.usecases.features.panel import learning_rows
from churnkit.usecases.happenings import announce
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.monitoring.verbs import monitor
from churnkit.usecases.outcomes.maturing import matured_pairs
from churnkit.usecases.projects.importing import import_data
from churnkit.usecases.result import Result
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import running_rollout
from churnkit.usecases.training.comparing import Comparison, compare_models
from churnkit.usecases.training.verbs import train


@dataclass(frozen=True, repr=False)
class Retrained(Result):
    """What came of it; ``row`` None: nothing was due."""

    row: RetrainingRow | None
    reasons: tuple[Trigger, ...] = ()
    note: str = ""

    def __rich__(self) -> RenderableType:
        if self.row is None:
            return Text(self.note or "No new model is due.")
        content = self.row.content
        lines = [f"Retraining {self.row.retraining_id}: " + "; ".join(content["reasons"]) + "."]
        if "version" in content:
            lines.append(f"Trained {content['version']} against {content['champion']}.")
        lines += [f"{line}" for line in content.get("notes", ())]
        if self.row.ended_at is None:
            lines.append(f"Next step: {self.row.step}.")
        return Text("\n".join(lines))

    def to_json(self) -> dict[str, object]:
        row = self.row
        return {
            "due": row is not None,
            "note": self.note,
            "retraining": None if row is None else row.model_dump(mode="json"),
        }


@dataclass(frozen=True, repr=False)
class Retrainings(Result):
    """All retrainings, and whether one is due now."""

    rows: tuple[RetrainingRow, ...]
    due: tuple[Trigger, ...]

    def __rich__(self) -> RenderableType:
        lines = [
            f"{row.retraining_id}  {row.started_at:%Y-%m-%d %H:%M} UTC  "
            f"{row.content.get('outcome', f'next step: {row.step}')}  "
            f"({'; '.join(row.content['reasons'])})"
            for row in self.rows
        ] or ["None yet."]
        due = "; ".join(reason.what for reason in self.due)
        lines.append(f"Due now: {due}." if due else "None is due now.")
        return Text("\n".join(lines))

    def to_json(self) -> dict[str, object]:
        return {
            "retrainings": [row.model_dump(mode="json") for row in self.rows],
            "due": [reason.model_dump() for reason in self.due],
        }


def retraining_reasons(project: Project, *, now: datetime | None = None) -> tuple[Trigger, ...]:
    """Why a new model is due; none: it is not.

    Raises
    ------
    NoChampion : there is no model yet
    """
    at = now or datetime.now(UTC)
    told = project.settings.retraining
    champion = find_version(project)
    newest = max(project.ledger.model_versions(), key=lambda one: one.created_at)
    alerts: tuple[Alert, ...] = ()
    if told.drift or told.decay:
        try:
            alerts = monitor(project, version=champion.version, now=at).alerts
        except NothingMatured:
            alerts = ()  # nobody was scored: there is nothing to watch
    facts = TriggerFacts(
        now=at,
        newest_at=newest.created_at,
        new_labels=_new_labels(project, newest, at) if told.new_labels else 0,
        alerts=alerts,
    )
    rules = TriggerRules(
        every_days=told.every_days,
        new_labels=told.new_labels,
        drift=told.drift,
        decay=told.decay,
        fewest_days=told.fewest_days,
    )
    return triggers(facts, rules)


def retrainings(project: Project, *, now: datetime | None = None) -> Retrainings:
    """What was done before, and whether a new model is due."""
    try:
        due = retraining_reasons(project, now=now)
    except NoChampion:
        due = ()
    return Retrainings(read_retrainings(project.ledger.engine), due)


def retrain(
    project: Project,
    *,
    if_needed: bool = False,
    budget_seconds: float | None = None,
    why: str = "",
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Retrained:
    """Make a new model, compare it with the champion, and let it prove itself in a rollout.

    One that was begun and not finished goes on where it was. The new model is the challenger; if
    it is worse than the champion beyond chance on the same later customers, no rollout starts.

    Parameters
    ----------
    if_needed : only when a reason of [retraining] in churnkit.toml holds
    why : a reason in a person's words
    now : the present

    Raises
    ------
    NoChampion : there is no model yet: 'churnkit train' makes the first one
    ClaimLost : another process has taken it over
    Cancelled : somebody asked to stop; what was done is kept, and goes on the next time
    """
    at = now or datetime.now(UTC)
    engine = project.ledger.engine
    silent_for = timedelta(minutes=project.settings.retraining.step_minutes)
    # A person (or cron) on this machine holds the project's lease while a step runs: then nobody
    # else is at work here, and what is open was left by a crash.
    open_row = next((r for r in read_retrainings(engine) if r.ended_at is None), None)
    if open_row is not None:
        row = take_over(engine, now=at, silent=silent_for if if_needed else timedelta(0))
        if row is None:
            return Retrained(None, note=f"{open_row.retraining_id} is under way.")
    else:
        reasons = [why] if why else []
        if if_needed:
            found = retraining_reasons(project, now=at)
            if not found:
                return Retrained(None)
            reasons += [reason.what for reason in found]
        champion = find_version(project)
        content: dict[str, Any] = {
            "reasons": reasons or ["somebody asked for it"],
            "champion": champion.version,
            "known": [one.version for one in project.ledger.model_versions()],
            "notes": [],
        }
        begun = begin_retraining(engine, content, now=at)
        if begun is None:
            return Retrained(None, note="another process has just begun one.")
        row = begun
    work = _Work(project, budget_seconds, at, progress, cancel)
    while row.step != "done":
        if cancel is not None:
            cancel.check()
        following, found_now = _STEPS[row.step](work, row.content)
        row = write_step(
            engine, row, following, {**row.content, **found_now}, now=now or datetime.now(UTC)
        )
    told = {"id": row.retraining_id, "outcome": row.content.get("outcome", "")}
    announce(project, "retraining", told, at=now or datetime.now(UTC))
    return Retrained(row)


@dataclass(frozen=True)
class _Work:
    project: Project
    budget_seconds: float | None
    now: datetime
    progress: Progress
    cancel: Cancel | None


Found = tuple[RetrainingStep, dict[str, Any]]


def _data(work: _Work, content: Mapping[str, Any]) -> Found:
    """A table of customers is read again from its source; a log is as it was imported."""
    project = work.project
    notes = list(content["notes"])
    if project.settings.events is None and project.settings.retraining.refresh_data:
        seen = import_data(project, progress=work.progress, cancel=work.cancel)
        notes.append(
            f"Read {seen.table.n_rows:,} customers from {seen.source}"
            + (": the same rows as before." if seen.same_rows else ".")
        )
    return "train", {"notes": notes}


def _train(work: _Work, content: Mapping[str, Any]) -> Found:
    """Train; a version that came since this retraining began was made by it before a crash."""
    project = work.project
    known = set(content["known"])
    made = [one for one in project.ledger.model_versions() if one.version not in known]
    if made:
        return "compare", {"version": made[-1].version}
    trained = train(
        project,
        budget_seconds=work.budget_seconds,
        why="retrained: " + "; ".join(content["reasons"]),
        progress=work.progress,
        cancel=work.cancel,
    )
    return "compare", {"version": trained.version.version}


def _compare(work: _Work, content: Mapping[str, Any]) -> Found:
    """Both on the same later customers."""
    project, progress = work.project, work.progress
    progress(Step("comparing with the champion"))
    ledger = project.ledger
    new, old = ledger.model_version(content["version"]), ledger.model_version(content["champion"])
    rows = learning_rows(project, progress=progress, cancel=work.cancel)
    found = compare_models(
        project,
        rows,
        project.read_run(new.run_id),
        project.read_run(old.run_id),
        versions=(new.version, old.version),
    )
    notes = [*content["notes"], _told(found, new, old)]
    comparison = {
        "n": found.n,
        "differences": {k: v.model_dump() for k, v in found.differences.items()},
        "why_not": found.why_not,
    }
    if found.surely_worse:
        notes.append(f"It is worse beyond chance: no rollout. {old.version} goes on serving.")
        return "done", {"comparison": comparison, "notes": notes, "outcome": "worse"}
    return "rollout", {"comparison": comparison, "notes": notes}


def _rollout(work: _Work, content: Mapping[str, Any]) -> Found:
    """In shadow first; the plan is that of churnkit.toml."""
    project, notes = work.project, list(content["notes"])
    version = content["version"]
    if not project.settings.retraining.rollout:
        notes.append("No rollout: churnkit.toml says so. 'churnkit rollout start' begins one.")
        return "done", {"notes": notes, "outcome": "trained"}
    going = running_rollout(project)
    if going is not None and going.challenger == version:
        return "done", {
            "notes": [*notes, f"{going.rollout_id} runs."],
            "rollout": going.rollout_id,
            "outcome": "in a rollout",
        }
    try:
        started = start_rollout(
            project, version, why="retrained: " + "; ".join(content["reasons"]), now=work.now
        )
    except (RolloutRunning, ExperimentRunning, StepNotAllowed, NoChampion, PlanInvalid) as error:
        notes.append(f"No rollout was started: {error.what}")
        return "done", {"notes": notes, "outcome": "trained"}
    name = str(started.to_json()["rollout_id"])
    notes.append(f"{name} has started, in shadow.")
    return "done", {"notes": notes, "rollout": name, "outcome": "in a rollout"}


_STEPS: dict[RetrainingStep, Callable[[_Work, Mapping[str, Any]], Found]] = {
    "data": _data,
    "train": _train,
    "compare": _compare,
    "rollout": _rollout,
}


def _told(found: Comparison, new: ModelVersion, old: ModelVersion) -> str:
    if not found.differences:
        return f"Not compared on the same customers: {found.why_not}. The rollout decides."
    words = ", ".join(
        f"{title} {found.differences[name].value:+.4f} "
        f"[{found.differences[name].low:+.4f}, {found.differences[name].high:+.4f}]"
        for name, title in (("roc_auc", "AUC"), ("brier", "Brier"), ("profit", "profit"))
    )
    return f"On the same {found.n:,} later rows, {new.version} minus {old.version}: {words}."


def _new_labels(project: Project, newest: ModelVersion, now: datetime) -> int:
    """Labels of predictions that matured after the newest model was made."""
    pairs = matured_pairs(project, now=now)
    made = newest.created_at.astimezone(UTC).replace(tzinfo=None)
    return int((pairs.matured_at > np.datetime64(made, "us")).sum())
