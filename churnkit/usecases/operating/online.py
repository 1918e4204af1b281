"""What a running service needs of a project: a model that is ready, and a writer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from churnkit.domain.keys import ApiKey
from churnkit.domain.predictions import PredictionRow
from churnkit.domain.recording import IdempotentAnswer
from churnkit.inference.compile import CompiledModel
from churnkit.inference.online import Explained, OnlineScorer, OnlineScores
from churnkit.ledger import idempotent, prediction_pages
from churnkit.ledger.engine import Pool
from churnkit.ledger.group_commit import GroupCommitWriter, Sink
from churnkit.ledger.keys import read_keys
from churnkit.ledger.postgres_sink import PostgresSink
from churnkit.ledger.prediction_pages import Place
from churnkit.ledger.sqlite_sink import SqliteSink
from churnkit.project import Project
from churnkit.registry.bundle import read_bundle
from churnkit.registry.journal import holders
from churnkit.settings.file import read_settings
from churnkit.settings.service import ServiceTable
from churnkit.settings.whole import Settings
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.models.serving import bundle_predictor, find_version
from churnkit.usecases.suppressing import LedgersErasures, erased_within

Scorer = OnlineScorer
Scores = OnlineScores
Explanation = Explained
Writer = GroupCommitWriter
_JOB_CONNECTIONS = 3


def open_for_service(folder: Path | str, database_url: str = "") -> Project:
    """The project as a service opens it.

    Parameters
    ----------
    database_url : takes the place of ``ledger.url``; empty: the project's own ledger

    Raises
    ------
    ProjectNotFound : the folder holds no churnkit.toml
    SettingsInvalid : churnkit.toml cannot be used
    """
    settings = read_settings(home := Path(folder).expanduser().resolve())
    if database_url:
        ledger = settings.ledger.model_copy(update={"url": database_url})
        settings = settings.model_copy(update={"ledger": ledger})
    table = settings.service
    pool = Pool(table.pool_size, table.pool_timeout_seconds, table.request_timeout_seconds)
    return Project(home, settings, pool=pool)


def open_with_settings(folder: Path, settings: Settings) -> Project:
    """The project as the process of a job opens it: with the settings that the service has."""
    pool = Pool(_JOB_CONNECTIONS, answer_seconds=settings.service.request_timeout_seconds)
    return Project(folder, settings, pool=pool)


def load_scorer(project: Project, version: str | None = None) -> OnlineScorer:
    """A model version that is warm: its first answer is as quick as the others.

    Parameters
    ----------
    version : a model version or alias; None is the champion

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    BundleError : its files are not what was admitted
    """
    known = find_version(project, version)
    bundle = read_bundle(find_bundle(project, known), manifest_hash=known.bundle_hash)
    built = bundle.manifest.feature_hash if bundle.features is not None else ""
    predictor = bundle_predictor(bundle, project.settings.serving)
    scorer = OnlineScorer(predictor, built, known.bundle_hash)
    scorer.warm()
    return scorer


def base_probability(project: Project, version: str) -> float:
    """The probability that a model version's reasons start from.

    Raises
    ------
    UnknownModelVersion : there is no such version
    BundleError : its files are not what was admitted
    """
    known = find_version(project, version)
    return _base_probability(find_bundle(project, known), known.bundle_hash)


@lru_cache(maxsize=32)
def _base_probability(folder: Path, manifest_hash: str) -> float:
    # The hash names the content, so that what was read once need not be read again.
    compiled = CompiledModel.from_files(
        read_bundle(folder, manifest_hash=manifest_hash).compiled_files
    )
    return float(compiled.calibration.one(compiled.engine.base_margin))


async def open_writer(project: Project, settings: ServiceTable) -> GroupCommitWriter:
    """A writer of predictions into the project's ledger, started on the running event loop.

    A database that is away does not stop it: it is reached when it answers.
    """
    url = project.ledger_url
    sinks: list[Sink]
    if url.startswith("sqlite"):
        sinks = [SqliteSink(project.ledger.engine, erased_within(project))]
    else:
        timeout = settings.commit_timeout_seconds
        sinks = [
            PostgresSink(url, timeout_seconds=timeout, erasures=LedgersErasures(project))
            for _ in range(settings.writers)
        ]
    writer = GroupCommitWriter(
        sinks,
        max_pending_rows=settings.max_pending_rows,
        max_group_rows=settings.max_group_rows,
        timeout_seconds=settings.commit_timeout_seconds,
    )
    writer.start()
    return writer


def serving_version(project: Project) -> str | None:
    """The version that the journal says serves, or None."""
    return holders(project.ledger.journal()).get("champion")


def api_keys(project: Project) -> tuple[ApiKey, ...]:
    """All API keys, with the hashes of their secrets."""
    return read_keys(project.ledger.engine)


def find_answer(project: Project, owner: str, key: str) -> IdempotentAnswer | None:
    """What was answered under an Idempotency-Key, if anything was."""
    return idempotent.find_answer(project.ledger.engine, owner, key)


def forget_answer(project: Project, owner: str, key: str) -> None:
    """Delete the answer kept under an Idempotency-Key."""
    idempotent.forget_answer(project.ledger.engine, owner, key)


def forget_answers(project: Project, before: datetime) -> int:
    """Delete the answers kept under Idempotency-Keys before a moment; returns how many."""
    return idempotent.forget_answers(project.ledger.engine, before)


def find_prediction(project: Project, prediction_id: str) -> PredictionRow | None:
    """A recorded prediction, if there is one with this id."""
    return project.ledger.prediction(prediction_id)


def find_predictions(project: Project, ids: Sequence[str]) -> tuple[PredictionRow | None, ...]:
    """Recorded predictions in the order of their ids; None where there is none."""
    return tuple(project.ledger.prediction(one) for one in ids)


def predictions_page(
    project: Project,
    *,
    customer_id: str | None,
    model_version: str | None,
    since: datetime | None,
    until: datetime | None,
    after: Place | None,
    limit: int,
) -> tuple[PredictionRow, ...]:
    """Recorded predictions, the newest first; see ``ledger.prediction_pages``."""
    return prediction_pages.predictions_page(
        project.ledger.engine,
        customer_id=customer_id,
        model_version=model_version,
        since=since,
        until=until,
        after=after,
        limit=limit,
    )


def ping(project: Project) -> None:
    """Ask the ledger's database for an answer.

    Raises
    ------
    StorageUnreachable : there is none
    """
    project.ledger.ping()


def example_item(project: Project) -> dict[str, object]:
    """A customer as the champion reads one, made of its schema; nobody's row.

    Raises
    ------
    NoChampion : no model serves yet
    """
    known = find_version(project)
    bundle = read_bundle(find_bundle(project, known), manifest_hash=known.bundle_hash)
    features: dict[str, object] = {}
    for column in bundle.schema.inputs:
        if column.kind == "category":
            features[column.name] = column.categories[0] if column.categories else None
        elif column.kind == "boolean":
            features[column.name] = False
        else:
            low, high = column.low or 0.0, column.high or 0.0
            middle = low + (high - low) / 2
            whole = low.is_integer() and high.is_integer()
            features[column.name] = int(middle) if whole else round(middle, 2)
    return {"customer_id": "example", "features": features}
