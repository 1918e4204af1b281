"""Train a model, admit it to the registry, and remember how."""

from __future__ import annotations

import importlib.metadata
import platform
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.data.frames import model_frame
from churnkit.data.leakage import find_leaks
from churnkit.data.reading import read_arrow, read_schema
from churnkit.data.target import check_target
from churnkit.domain.models import Alias, JournalEntry, ModelVersion
from churnkit.domain.profiles import LeakFinding
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.domain.runs import RunRecord
from churnkit.errors import CannotRepeat, StorageError
from churnkit.inference.compile import CompiledModel, compile_pipeline
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.parity import parity, parity_frame, parity_rows
from churnkit.project import Project, user_name
from churnkit.registry.admission import check_parity
from churnkit.registry.bundle import write_bundle
from churnkit.registry.journal import holders, seal
from churnkit.registry.reference import reference_distribution
from churnkit.reporting.figures import all_figures
from churnkit.reporting.tables import deciles_table, evaluation_table, leaks_table, trials_table
from churnkit.settings import Money
from churnkit.training.record import differences
from churnkit.training.run import TrainedModel, train_model
from churnkit.usecases.inputs import choose_inputs
from churnkit.usecases.journal_head import write_head
from churnkit.usecases.result import Result
from churnkit.usecases.tables import typed

_PARITY_ROWS = 20_000
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
    seed: int | None = None,
    why: str = "",
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Trained:
    """Search, calibrate, evaluate once, and admit the best model.

    The first model of a project becomes the champion, a later one the challenger.

    Parameters
    ----------
    project : an opened project
    budget_seconds : for the search, in seconds; None: what churnkit.toml says
    seed : of all that is random; None: what churnkit.toml says
    why : a sentence for the journal

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
        run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        table, trained, leaks = _fit(
            project, run_id, now, budget_seconds, seed, None, progress, cancel
        )
        progress(Step("compiling the model and checking it against scikit-learn"))
        compiled = _compiled(table, trained)
        if cancel is not None:
            cancel.check()
        progress(Step("admitting the model"))
        version, alias = _admit(project, table, trained, compiled, why or "trained", now)
        notes = _tell_mlflow(project, version, trained.record, progress)
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
    schema = read_schema(project.database)
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
) -> tuple[pa.Table, TrainedModel, tuple[LeakFinding, ...]]:
    progress(Step("reading the customers"))
    table = read_arrow(project.database)
    schema = read_schema(project.database)
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
        seed=seed,
        repeat=recorded,
        progress=progress,
        cancel=cancel,
    )
    return table, trained, leaks


def _compiled(table: pa.Table, trained: TrainedModel) -> CompiledModel:
    """Compile, and refuse a model whose compiled path differs from scikit-learn's."""
    schema = trained.schema
    train_table = table.take(pa.array(trained.train_rows))
    # Row by row on every path: a sample of a large table is enough to find a difference.
    step = max(1, table.num_rows // _PARITY_ROWS)
    some = table.take(pa.array(range(0, table.num_rows, step)))
    encoded = RowEncoder(schema).encode_arrow(typed(train_table, schema))
    compiled = compile_pipeline(trained.pipeline, schema, encoded)
    check_parity(
        {
            "the run's customers": parity_frame(
                compiled, schema, trained.pipeline, model_frame(some, schema)
            ),
            "rows made from the schema": parity(
                compiled, trained.pipeline, parity_rows(schema, n=2_000, seed=trained.record.seed)
            ),
        }
    )
    return compiled


def _admit(
    project: Project,
    table: pa.Table,
    trained: TrainedModel,
    compiled: CompiledModel,
    why: str,
    now: datetime,
) -> tuple[ModelVersion, str]:
    record = trained.record
    ledger = project.ledger
    name = ledger.next_version()
    folder = project.bundle(name)
    if folder.exists():  # left by a process that died before the ledger knew of it
        shutil.rmtree(folder)
    manifest, manifest_hash = write_bundle(
        folder,
        version=name,
        run_id=record.run_id,
        candidate=record.best.candidate,
        created_at=now,
        schema=trained.schema,
        data_fingerprint=record.data_fingerprint,
        feature_hash=record.feature_hash,
        metrics=record.evaluation.metrics,
        base_rate=trained.base_rate,
        serving=project.settings.serving,
        versions=record.versions,
        pipeline=trained.pipeline,
        compiled_files=compiled.to_files(),
        reference=reference_distribution(
            table, trained.schema, trained.train_rows, trained.test_probabilities
        ),
    )
    version = ModelVersion(
        version=name,
        run_id=record.run_id,
        candidate=record.best.candidate,
        created_at=now,
        bundle_hash=manifest_hash,
        data_fingerprint=record.data_fingerprint,
        metrics=manifest.metrics,
    )
    project.write_run(record)

    def entries(journal: tuple[JournalEntry, ...]) -> Sequence[JournalEntry]:
        first = holders(journal).get("champion") is None
        alias: Alias = "champion" if first else "challenger"
        return (
            seal(
                at=now,
                who=user_name(),
                action="promote" if first else "challenge",
                alias=alias,
                version=name,
                why=f"{why}; the first model of this project" if first else why,
                evidence={
                    "run_id": record.run_id,
                    "roc_auc": record.evaluation.metrics["roc_auc"].model_dump(),
                    "profit": record.evaluation.metrics["profit"].model_dump(),
                },
                journal=journal,
            ),
        )

    try:
        journal = ledger.admit(version, entries, at=now)
    except BaseException:
        if name not in {known.version for known in ledger.model_versions()}:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    write_head(project, journal, project.journal_head, now)
    return version, journal[-1].alias


def _tell_mlflow(
    project: Project, version: ModelVersion, record: RunRecord, progress: Progress
) -> tuple[str, ...]:
    """Mirror the run in MLflow; the model is admitted already, whatever MLflow says."""
    progress(Step("recording the run in MLflow"))
    try:
        _mirror(project, version, record)
    except StorageError as error:
        return (f"{version.version} is admitted, but MLflow was not told of it: {error}",)
    return ()


def _mirror(project: Project, version: ModelVersion, record: RunRecord) -> None:
    store = project.mlflow
    evaluation = record.evaluation
    store.record_run(
        run_name=record.run_id,
        experiment=project.settings.project.name,
        params={"candidate": record.best.candidate, "seed": record.seed, **record.best.params},
        metrics={
            **{name: estimate.value for name, estimate in evaluation.metrics.items()},
            **{f"{name}_low": estimate.low for name, estimate in evaluation.metrics.items()},
            **{f"{name}_high": estimate.high for name, estimate in evaluation.metrics.items()},
            "threshold": evaluation.threshold,
        },
        figures=all_figures(record),
        tags={
            "data_fingerprint": record.data_fingerprint,
            "feature_hash": record.feature_hash,
            "run_id": record.run_id,
        },
        bundle_folder=project.bundle(version.version),
        version=version.version,
    )
    store.set_aliases(holders(project.ledger.journal()))
