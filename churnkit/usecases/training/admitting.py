"""A trained model becomes a version: compiled, checked, admitted, and shown to MLflow."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from churnkit.data.frames import model_frame
from churnkit.domain.models import Alias, JournalEntry, ModelVersion
from churnkit.domain.progress import Progress, Step
from churnkit.domain.runs import RunRecord
from churnkit.errors import StorageError
from churnkit.inference.compile import CompiledModel, compile_pipeline
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.parity import parity, parity_frame, parity_rows
from churnkit.ledger.bundle_files import store_bundle
from churnkit.project import Project, user_name
from churnkit.registry.admission import check_parity
from churnkit.registry.bundle import bundle_bytes, write_bundle
from churnkit.registry.journal import holders, seal
from churnkit.registry.reference import reference_distribution
from churnkit.reporting.figures import all_figures
from churnkit.training.run import TrainedModel
from churnkit.usecases.models.journal_head import write_head
from churnkit.usecases.tables import typed

_PARITY_ROWS = 20_000


def compile_checked(table: pa.Table, trained: TrainedModel) -> CompiledModel:
    """Compile, and refuse a model whose compiled paths differ from scikit-learn's.

    Raises
    ------
    ParityFailed : they differ on the run's customers or on rows made from the schema
    """
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


def admit(
    project: Project,
    table: pa.Table,
    trained: TrainedModel,
    compiled: CompiledModel,
    why: str,
    now: datetime,
    *,
    who: str | None = None,
) -> tuple[ModelVersion, str]:
    """Write the bundle, then let the ledger know of it: version, metrics and journal together.

    Parameters
    ----------
    who : for the journal; None: the user of this process

    Returns
    -------
    version : as admitted
    alias : ``champion`` for the first model of a project, ``challenger`` for a later one
    """
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
        features=record.features,
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
    record_hash = project.write_run(record)

    def entries(journal: tuple[JournalEntry, ...]) -> Sequence[JournalEntry]:
        first = holders(journal).get("champion") is None
        alias: Alias = "champion" if first else "challenger"
        return (
            seal(
                at=now,
                who=who or user_name(),
                action="promote" if first else "challenge",
                alias=alias,
                version=name,
                why=f"{why}; the first model of this project" if first else why,
                evidence={
                    "run_id": record.run_id,
                    "bundle_hash": manifest_hash,
                    "record_hash": record_hash,
                    "roc_auc": record.evaluation.metrics["roc_auc"].model_dump(),
                    "profit": record.evaluation.metrics["profit"].model_dump(),
                },
                journal=journal,
            ),
        )

    if project.settings.ledger.url:
        # Replicas that follow the journal find the files where they find the journal.
        files = bundle_bytes(folder, manifest_hash=manifest_hash)
        store_bundle(ledger.engine, manifest_hash, files)
    try:
        journal = ledger.admit(version, entries, at=now)
    except BaseException:
        if name not in {known.version for known in ledger.model_versions()}:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    write_head(project, journal, project.journal_head, now)
    return version, journal[-1].alias


def tell_mlflow(
    project: Project, version: ModelVersion, record: RunRecord, progress: Progress
) -> tuple[str, ...]:
    """Mirror the run in MLflow; the model is admitted already, whatever MLflow says."""
    if not project.mlflow.available:
        return (
            f"{version.version} is admitted; MLflow is not installed, so it knows nothing of it.",
        )
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
