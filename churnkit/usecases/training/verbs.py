"""Train a model, admit it to the registry, and remember how."""

from __future__ import annotations

import importlib.metadata
import platform
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.data.leakage import find_leaks
from churnkit.data.target import check_target
from churnkit.domain.models import ModelVersion
from churnkit.domain.profiles import LeakFinding
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.domain.runs import RunRecord
from churnkit.errors import CannotRepeat
from churnkit.project import Project
from churnkit.reporting.tables import deciles_table, evaluation_table, leaks_table, trials_table
from churnkit.settings.money import Money
from churnkit.training.record import differences
from churnkit.training.run import TrainedModel, train_model
from churnkit.usecases.features.panel import learning_rows
from churnkit.usecases.projects.inputs import choose_inputs
from churnkit.usecases.result import Result
from churnkit.usecases.training.admitting import admit, compile_checked, tell_mlflow

_RECORDED = ("scikit-learn", "numpy", "pandas", "pyarrow", "duckdb", "treelite", "skops")


@dataclass(frozen=True, repr=False)
class Trained(Result):
    """A model version that was admitted, and how good it is on customers it never saw."""

    version: ModelVersion
    alias: str
    record: RunRecord
    leaks: tuple[LeakFinding, ...]
    money: Money
    notes: tuple[str, ...] = ()

    def __rich__(self) -> RenderableType:
        roles = {
            "champion": "It is the first model, so it serves as the champion.",
            "challenger": "It is the challenger; 'churnkit models promote "
            f"{self.version.version}' lets it serve.",
        }
        parts: list[RenderableType] = [trials_table(self.record)]
        if self.leaks:
            parts.append(leaks_table(self.leaks))
        parts += [
            evaluation_table(self.record.evaluation, self.money),
            deciles_table(self.record.evaluation),
            f"Admitted {self.version.version} (run {self.record.run_id}). {roles[self.alias]}",
            *(Text(note) for note in self.notes),
        ]
        return Group(*parts)

    def to_json(self) -> dict[str, object]:
        return {
            "version": self.version.version,
            "alias": self.alias,
            "run_id": self.record.run_id,
            "candidate": self.version.candidate,
            "n_trials": len(self.record.trials),
            "metrics": {k: v.model_dump() for k, v in self.version.metrics.items()},
            "threshold": self.record.evaluation.threshold,
            "left_out": self.record.left_out,
            "leaks": [leak.model_dump(mode="json") for leak in self.leaks],
            "predictions_hash": self.record.predictions_hash,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, repr=False)
class Repeated(Result):
    """Whether a recorded run came out the same."""

    record: RunRecord
    repeated: RunRecord
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        """Whether every test probability is the same to the last bit."""
        return self.record.predictions_hash == self.repeated.predictions_hash

    def __rich__(self) -> RenderableType:
        lines = [
            f"Repeated run {self.record.run_id}: "
            + (
                f"all {self.record.n_test:,} test probabilities are the same, bit for bit."
                if self.identical
                else "the test probabilities are NOT the same."
            )
        ]
        lines += [f"Since then: {difference}" for difference in self.differences]
        if not self.identical and not self.differences:
            lines.append(
                "Data, settings and versions are those of the run. So its record was changed "
                "('churnkit models verify' shows whether), or the machine computes differently."
            )
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "run_id": self.record.run_id,
            "identical": self.identical,
            "predictions_hash": self.repeated.predictions_hash,
            "recorded_hash": self.record.predictions_hash,
            "differences": list(self.differences),
        }


def train(
    project: Project,
    *,
    budget_seconds: float | None = None,
    max_trials: int | None = None,
    seed: int | None = None,
    why: str = "",
    who: str | None = None,
    run_id: str | None = None,
    mirror: bool = True,
    admitting: Callable[[RunRecord], None] = lambda record: None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Trained:
    """Search, calibrate, evaluate once, and admit the best model.

    The first model of a project becomes the champion, a later one the challenger.

    Parameters
    ----------
    project : an opened project
    budget_seconds : for the search, in seconds; None: what churnkit.toml says
    max_trials : try so many models, however long it takes: the same search on every machine
    seed : of all that is random; None: what churnkit.toml says
    why : a sentence for the journal
    who : for the journal, too; None: the user of this process
    run_id : names the run; None: a new name
    mirror : show the run to MLflow, too
    admitting : called with the run's record when the model is about to be admitted

    Raises
    ------
    ProjectBusy : another process writes to the project
    TargetInvalid, LeakageFound, TooFewRows : the data cannot be learnt from
    BudgetTooSmall : no candidate was done in time
    ParityFailed : the compiled model disagrees with scikit-learn
    Cancelled : somebody asked to stop; nothing was changed
    """
    with project.lease("training"):
        now = datetime.now(UTC)
        run_id = run_id or f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        table, trained, leaks = _fit(
            project, run_id, now, budget_seconds, seed, None, progress, cancel, max_trials
        )
        progress(Step("compiling the model and checking it against scikit-learn"))
        compiled = compile_checked(table, trained)
        if cancel is not None:
            cancel.check()
        progress(Step("admitting the model"))
        admitting(trained.record)
        version, alias = admit(project, table, trained, compiled, why or "trained", now, who=who)
        notes = tell_mlflow(project, version, trained.record, progress) if mirror else ()
    return Trained(
        version=version,
        alias=alias,
        record=trained.record,
        leaks=leaks,
        money=project.settings.money,
        notes=notes,
    )


def repeat(
    project: Project,
    run_id: str,
    *,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Repeated:
    """Fit a recorded run's winner again and compare its test probabilities bit for bit.

    Nothing is admitted. The recorded columns, money and training settings are used, whatever
    churnkit.toml says now.

    Raises
    ------
    UnknownRun : there is no such record
    CannotRepeat : the customers are not those of the run; the message says what differs
    """
    record = project.read_run(run_id)
    rows = learning_rows(project, progress=progress, cancel=cancel)
    schema = rows.schema
    versions = library_versions()
    found = differences(
        record,
        data_fingerprint=schema.fingerprint,
        settings=_used_settings(project),
        versions=versions,
    )
    if schema.fingerprint != record.data_fingerprint:
        raise CannotRepeat(
            f"the data changed since run {run_id}: {'; '.join(found)}.",
            fix="Import the data of that run again ('churnkit import FILE'), or train anew.",
            run=run_id,
        )
    with project.lease("repeating a run"):
        _, trained, _ = _fit(
            project, run_id, datetime.now(UTC), None, record.seed, record, progress, cancel
        )
    return Repeated(record=record, repeated=trained.record, differences=found)


def library_versions() -> dict[str, str]:
    """The versions that a run depends on."""
    return {
        "python": platform.python_version(),
        "churnkit": importlib.metadata.version("churnkit"),
        **{name: importlib.metadata.version(name) for name in _RECORDED},
    }


def _used_settings(project: Project) -> dict[str, Any]:
    settings = project.settings
    return {
        name: getattr(settings, name).model_dump(mode="json")
        for name in ("columns", "money", "training")
    }


def _fit(
    project: Project,
    run_id: str,
    now: datetime,
    budget_seconds: float | None,
    seed: int | None,
    recorded: RunRecord | None,
    progress: Progress,
    cancel: Cancel | None,
    max_trials: int | None = None,
) -> tuple[pa.Table, TrainedModel, tuple[LeakFinding, ...]]:
    rows = learning_rows(project, progress=progress, cancel=cancel)
    table, schema = rows.table, rows.schema
    settings = project.settings
    if recorded is not None:
        settings = type(settings).model_validate(
            {**settings.model_dump(mode="json"), **recorded.settings}
        )
    columns = settings.columns
    check_target(table, columns.target, columns.positive)
    leaks: tuple[LeakFinding, ...] = ()
    if recorded is None:
        progress(Step("looking for columns that know the answer"))
        leaks = find_leaks(table, schema, columns, seed=settings.training.seed)
        used, left_out = choose_inputs(schema, columns, leaks)
    else:
        used, left_out = recorded.used_columns, recorded.left_out
    if cancel is not None:
        cancel.check()
    trained = train_model(
        table,
        schema,
        settings,
        run_id=run_id,
        now=now,
        used_columns=used,
        left_out=left_out,
        versions=library_versions(),
        budget_seconds=budget_seconds,
        max_trials=max_trials,
        seed=seed,
        repeat=recorded,
        test_from=rows.test_from,
        features=rows.features.model_dump(mode="json") if rows.features else None,
        features_hash=rows.features.content_hash() if rows.features else "",
        progress=progress,
        cancel=cancel,
    )
    return table, trained, leaks
