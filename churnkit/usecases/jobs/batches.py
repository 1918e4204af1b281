"""Score an uploaded file as a job: piece by piece, each committed with all that it brought.

A piece's predictions, its part of the result, the rows that were set aside and the place to go on
from are one transaction. So a process may die at any moment: the next one goes on behind the last
piece that was committed, and no row is in the ledger twice.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from churnkit.data.part_formats import TableFormat
from churnkit.data.suppressed import Suppressed
from churnkit.domain.frozen import Frozen
from churnkit.domain.jobs import JobPart, JobProgress, RowFault
from churnkit.errors import BadValue, DataEmpty
from churnkit.inference.batch import one_thread_here
from churnkit.ledger.job_claims import advance, working
from churnkit.ledger.prediction_copy import insert_predictions
from churnkit.ledger.rollouts import insert_failures
from churnkit.ledger.suppressions import ErasedWithin
from churnkit.project import Project
from churnkit.registry.bundle import Bundle, read_bundle
from churnkit.usecases.jobs.batch_answers import BatchRequest
from churnkit.usecases.jobs.batch_arms import BatchArms
from churnkit.usecases.jobs.batch_rows import BatchFile, LookUp, Piece
from churnkit.usecases.jobs.batch_scoring import PieceScorer, ScoredPiece
from churnkit.usecases.jobs.work import Outcome, Work, now
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.models.serving import bundle_predictor, find_version
from churnkit.usecases.monitoring.drifting import note_features
from churnkit.usecases.monitoring.feature_notes import MOST
from churnkit.usecases.online.reading import online_features
from churnkit.usecases.suppressing import KnownErasures, erased_within

SHOWN_FAULTS = 20
_SQLITE_ROWS = 2_000
"""A commit keeps SQLite's other writers waiting: it shall be short."""


class Tally(Frozen):
    """Where a batch is: what a process that goes on needs to know."""

    model_version: str
    place: dict[str, int] = Field(default_factory=dict)
    part: int = 0
    """Number of the next part of the result."""
    done: int = 0
    failed: int = 0
    mass: float = 0.0
    """Sum of all probabilities."""
    bands: dict[str, int] = Field(default_factory=dict)
    unknown: dict[str, int] = Field(default_factory=dict)
    """By column, rows with a category that the model never saw."""
    faults: tuple[RowFault, ...] = ()
    """The first ones."""
    checked: bool = False
    """Whether all rows were looked at before the first one was scored."""


def score_batch(work: Work) -> Outcome:
    """Score what was uploaded.

    Raises
    ------
    NoChampion, BundleError : there is no model to score with
    DataError : the file as a whole cannot be used; or a row, where nothing shall be set aside
    Cancelled, LetGo : somebody asked to stop
    """
    project, job = work.project, work.job
    asked = BatchRequest.model_validate(job.request)
    begun = Tally.model_validate(job.checkpoint) if job.checkpoint else None
    version = find_version(project, None if begun is None else begun.model_version)
    bundle = read_bundle(find_bundle(project, version), manifest_hash=version.bundle_hash)
    predictor = bundle_predictor(bundle, project.settings.serving)
    named = bool(bundle.schema.id_column or bundle.features)
    path = work.fetch()
    if path is None:
        raise DataEmpty("the upload is gone.", fix="Upload it again.")
    file = BatchFile(
        path,
        asked.format,
        bundle.schema,
        predictor.encoder,
        _look_up(project, bundle, asked),
        _suppressed(project) if named else None,
    )
    lines = _estimate(path, asked.format)
    tally = begun or Tally(model_version=version.version)
    rows = _rows_at_once(project)
    if asked.on_error == "fail" and not tally.checked:
        _refuse_broken(work, file, rows)
        tally = tally.model_copy(update={"checked": True})
    arms = BatchArms(project, version.version, bundle)
    noted = asked.record and project.settings.service.drift_rows > 0
    share = MOST / max(lines or MOST, MOST) if noted else 0.0
    erased = erased_within(project) if named else None
    scorer = PieceScorer(job.job_id, predictor, asked, share)
    for first in _scored(scorer, file.pieces(rows=rows, place=tally.place), arms):
        work.look()
        scored = first
        while (after := _commit(work, scored, tally, lines, erased)) is None:
            piece = file.without_erased(scored.piece)  # somebody was erased since it was read
            scored = scorer.score(piece, arms.now())
        tally = after
        if scored.noted is not None and scored.noted.ids:
            found = scored.noted
            note_features(
                project, predictor.version, found.ids, found.rows, found.probabilities, now()
            )
    if not tally.done:
        raise DataEmpty("there are no rows in it.", fix="Upload a file with customers.")
    good = tally.done - tally.failed
    return Outcome(
        {"mean_probability": tally.mass / good if good else None, "bands": tally.bands},
        progress=JobProgress(rows_total=tally.done, progress=1.0),
    )


def _look_up(project: Project, bundle: Bundle, asked: BatchRequest) -> LookUp | None:
    if project.settings.events is None or bundle.features is None:
        return None
    feature_hash = bundle.manifest.feature_hash

    def look_up(customer_ids: Sequence[str]) -> list[Any]:
        found = online_features(project, customer_ids, as_of=asked.as_of, feature_hash=feature_hash)
        return [one.values if one.known else None for one in found]

    return look_up


def _suppressed(project: Project) -> Suppressed:
    """Tells erased customers; those who are erased while the batch runs, too."""
    known = KnownErasures()

    def suppressed(customer_ids: Iterable[str]) -> set[str]:
        known.refresh(project)
        return known.among(customer_ids)

    return suppressed


def _rows_at_once(project: Project) -> int:
    rows = project.settings.service.job_rows
    return min(rows, _SQLITE_ROWS) if project.ledger_url.startswith("sqlite") else rows


def _estimate(path: Path, form: TableFormat) -> int | None:
    """About how many rows there are, to show progress."""
    if form == "parquet":
        from pyarrow import parquet

        try:
            return int(parquet.read_metadata(path).num_rows)
        except (pa.ArrowException, OSError):
            return None  # reading it will say what is wrong
    n = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            n += chunk.count(b"\n")
    return max(n, 1)


def _refuse_broken(work: Work, file: BatchFile, rows: int) -> None:
    """Look at all rows first: nothing shall be recorded if one of them cannot be scored."""
    seen, broken = 0, 0
    first: list[RowFault] = []
    for piece in file.pieces(rows=rows, place={}):
        work.look()
        seen += len(piece.numbers) + len(piece.faults)
        broken += len(piece.faults)
        first += piece.faults[: SHOWN_FAULTS - len(first)]
        work.latest = JobProgress(stage="checking", detail=f"{seen:,} rows")
    if broken:
        fault = first[0]
        what = f"{broken:,} of {seen:,} rows cannot be scored; none was. The first: {fault.reason}"
        fix = fault.fix or "Mend the rows, or send on_error=skip to set them aside."
        raise BadValue(what, fix=fix, row=fault.row, column=fault.column or None)


def _scored(scorer: PieceScorer, pieces: Iterator[Piece], arms: BatchArms) -> Iterator[ScoredPiece]:
    """Pieces in their order; while one is committed, others are read and scored."""
    n_workers = max(1, (os.cpu_count() or 2) - 1)
    with ThreadPoolExecutor(n_workers, initializer=one_thread_here) as pool:
        waiting: deque[Future[ScoredPiece]] = deque()
        try:
            for piece in pieces:
                waiting.append(pool.submit(scorer.score, piece, arms.now()))
                if len(waiting) > n_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _commit(
    work: Work, scored: ScoredPiece, tally: Tally, lines: int | None, erased: ErasedWithin | None
) -> Tally | None:
    """Keep all that a piece brought; None where one of its customers was erased: nothing is."""
    piece = scored.piece
    customers = {*piece.batch.ids.to_pylist(), *(fault.customer_id for fault in piece.faults)}
    failed, n = len(piece.faults), len(piece.faults) + len(piece.numbers)
    shown = (*tally.faults, *piece.faults)[:SHOWN_FAULTS]
    after = tally.model_copy(
        update={
            "place": piece.place,
            "part": tally.part + 1,
            "done": tally.done + n,
            "failed": tally.failed + failed,
            "mass": tally.mass + scored.mass,
            "bands": dict(Counter(tally.bands) + scored.bands),
            "unknown": dict(Counter(tally.unknown) + scored.unknown),
            "faults": shown,
        }
    )
    share = None if lines is None else min(after.done / max(lines, after.done, 1), 1.0)
    news = JobProgress(
        rows_done=after.done,
        rows_failed=after.failed,
        progress=share,
        stage="scoring",
        detail=f"{after.done:,} rows",
    )
    with working(work.project.ledger.engine, work.job) as connection:
        if erased is not None and erased(connection, customers):
            return None
        for predictions in scored.predictions:
            insert_predictions(connection, predictions)
        insert_failures(connection, scored.failures)
        advance(
            connection,
            work.job,
            news,
            now(),
            checkpoint=after.model_dump(mode="json"),
            parts=[
                JobPart(name, tally.part, content, rows) for name, content, rows in scored.parts
            ],
        )
    # The counts were committed; the heartbeat must not take them back to an earlier piece's.
    work.latest = JobProgress(stage=news.stage, detail=news.detail)
    work.told(
        {
            "scored": len(piece.numbers),
            "failed": failed,
            "recorded": [
                [part.model_version, part.variant, band, count]
                for part in scored.predictions
                if part.shadow_of is None
                for band, count in Counter(part.risk_bands).items()
            ],
        }
    )
    return after
