"""Score a file or a table of customers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.scoring_input import TypedBatch, extra_columns, stream_typed
from churnkit.data.sources import Source, open_source
from churnkit.data.spool import open_spool
from churnkit.data.suppressed import Suppressed, typed_without
from churnkit.data.writing import Writer, open_writer
from churnkit.domain.moments import from_us
from churnkit.domain.predictions import prediction_ids
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import AsOfInvalid, DataEmpty
from churnkit.inference.batch import ScoreNotes, score_batches
from churnkit.inference.predictor import Predictor
from churnkit.project import Project
from churnkit.registry.bundle import Bundle
from churnkit.usecases.features.feature_set import AsOf
from churnkit.usecases.features.source import FeatureSource
from churnkit.usecases.models.serving import load_predictor
from churnkit.usecases.monitoring.feature_notes import FeatureNotes
from churnkit.usecases.rollouts.arms import running_arms
from churnkit.usecases.scoring.paired import PairNotes, output_columns, score_pairs
from churnkit.usecases.scoring.recording import Stamp, record_scores
from churnkit.usecases.scoring.scored import BANDS, Scored
from churnkit.usecases.suppressing import ErasureWatch, suppressed_in
from churnkit.usecases.tables import TableSource, as_arrow

REASONS_UP_TO_ROWS = 10_000
"""Reasons cost a millisecond per row: by default they are given up to here."""
DEFAULT_REASONS = 3


def score(
    project: Project,
    data: Any = None,
    output: Path | str | None = None,
    *,
    reasons: int | None = None,
    record: bool = False,
    version: str | None = None,
    as_of: AsOf | None = None,
    query: str = "",
    sheet: str = "",
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Scored:
    """Say for each customer how probable it is that he leaves.

    While a rollout runs, its assignment says which model answers whom (``variant``), the other
    one scores silently, and ``record`` keeps both. Customers who were erased are left out and
    counted. Files stream through in bounded memory; the output appears whole or not at all.

    Parameters
    ----------
    project : an opened project
    data : a file (CSV, Parquet, Excel) or database URL, a pandas DataFrame, an arrow table or a
        list of dicts; None: the source that churnkit.toml names, in a project of events the
        customers that are eligible at ``as_of``
    output : a .csv or .parquet file; None keeps the scores in ``result.table``
    reasons : reasons per customer; None: 3 up to 10,000 rows, else 0
    record : write the predictions to the ledger, all in one transaction
    version : a model version or alias; None: the champion, or a rollout's arms
    as_of : in a project of events the moment to look from; None: the end of the log
    now : when the predictions are made; None: the present

    Raises
    ------
    ColumnMissing, BadValue : the table lacks a column, or holds a value of another type
    NoChampion, UnknownModelVersion, BundleError : there is no such model, or it was damaged
    FolderReadOnly, DiskFull : the output cannot be written; a file that was there is unchanged
    """
    arms = running_arms(project) if version is None else None
    predictor, bundle = load_predictor(project, arms.champion if arms else version)
    schema = bundle.schema
    source = _source(project, data, query, sheet, bundle, as_of)
    path = None if output is None else Path(output).expanduser()
    named = bool(schema.id_column or bundle.features)
    erasures = ErasureWatch(project) if named and (record or path) else None
    suppressed = suppressed_in(project) if named else None
    erased = _Erased()
    typed = _without_erased(stream_typed(source, schema, cancel=cancel), suppressed, erased)
    noted = record and named and project.settings.service.drift_rows > 0
    features = FeatureNotes() if noted else None
    head, batches = _peek(typed if features is None else features.passing(typed))
    if not head:
        what = "all customers in it were erased." if erased.n else "there are no customers in it."
        raise DataEmpty(what, file=source.name)
    wanted = reasons
    if wanted is None:
        few = sum(len(batch.ids) for batch in head) <= REASONS_UP_TO_ROWS
        wanted = DEFAULT_REASONS if few else 0
    notes, pairing = ScoreNotes(), PairNotes()

    def as_challenger() -> tuple[Predictor, Iterator[TypedBatch]]:
        assert arms is not None
        other, files = load_predictor(project, arms.challenger)
        table = _source(project, data, query, sheet, files, as_of)
        typed = stream_typed(table, files.schema, cancel=cancel)
        return other, _without_erased(typed, suppressed, _Erased())

    def scored() -> Iterator[pa.RecordBatch]:
        if arms is None:
            return score_batches(predictor, batches, reasons=wanted, notes=notes)
        return score_pairs(
            arms, predictor, batches, challenger=as_challenger,
            reasons=wanted, notes=notes, pair_notes=pairing,
        )  # fmt: skip

    kept: list[pa.RecordBatch] = []
    total, mass, bands = 0, 0.0, dict.fromkeys(BANDS, 0)
    made_at = now or datetime.now(UTC)
    with ExitStack() as stack:
        # Predictions wait on the disk until all are made: the ledger's transaction, which keeps
        # other writers of SQLite waiting, is then as short as it can be.
        spool = stack.enter_context(open_spool(project.store)) if record else None
        writing = stack.enter_context(ExitStack())
        writer: Writer | None = writing.enter_context(open_writer(path)) if path else None
        for full in scored():
            batch = full if arms is None else output_columns(full)
            if writer is None:
                kept.append(batch)
            else:
                writer.write(batch)
            if spool is not None:
                spool.write(full)
            total += batch.num_rows
            mass += pc.sum(batch.column("probability")).as_py()
            for pair in pc.value_counts(batch.column("risk_band")).to_pylist():
                bands[pair["values"]] += pair["counts"]
            progress(Step("scoring", None, f"{total:,} customers"))
            if cancel is not None:
                cancel.check()
        if spool is not None:
            progress(Step("recording", None, f"{total:,} predictions"))
            stamp = Stamp(
                made_at=made_at,
                as_of=from_us(source.as_of_us) if isinstance(source, FeatureSource) else None,
                rollout_id=arms.rollout_id if arms else None,
                trouble=pairing.trouble.code if pairing.trouble else "",
            )
            ids = prediction_ids(made_at)
            with project.ledger.recording() as ledger_rows:
                if erasures is not None:
                    erasures.check(ledger_rows.connection)
                for batch in spool.batches():
                    answers = record_scores(ledger_rows, batch, wanted, stamp, ids)
                    if features is not None:
                        features.recorded(answers, predictor.version)
                # The file is complete before the ledger commits: never a record without it.
                writing.close()
            if features is not None:
                features.write(project, predictor.version, made_at)
        elif erasures is not None:
            with erasures.keeping(path):
                writing.close()
    return Scored(
        n_rows=total,
        model_version=predictor.version,
        output=path,
        table=pa.Table.from_batches(kept) if writer is None else None,
        mean_probability=mass / total,
        bands=bands,
        reasons=wanted,
        recorded=record,
        as_of=from_us(source.as_of_us) if isinstance(source, FeatureSource) else None,
        extra_columns=() if bundle.features else extra_columns(source, schema),
        unseen=notes.unseen,
        rollout_id=arms.rollout_id if arms else None,
        answered=pairing.answered if arms else {},
        n_erased=erased.n,
        trouble=str(pairing.trouble or ""),
    )


def _source(
    project: Project, data: Any, query: str, sheet: str, bundle: Bundle, as_of: AsOf | None
) -> Source:
    if data is None and bundle.features is not None:
        return FeatureSource(project, bundle.features, as_of)
    if as_of is not None:
        raise AsOfInvalid(
            "only customers of a log of events have a moment to look from.",
            fix="Leave as_of away, or score without a file in a project of events.",
            as_of=as_of,
        )
    if data is None:
        told = project.settings.data
        return open_source(told.source, folder=project.folder, query=told.query, sheet=told.sheet)
    if isinstance(data, str | Path):
        return open_source(data, query=query, sheet=sheet)
    return TableSource(as_arrow(data))


@dataclass(slots=True)
class _Erased:
    """How many rows were left out."""

    n: int = 0


def _without_erased(
    stream: Iterator[TypedBatch], suppressed: Suppressed | None, erased: _Erased
) -> Iterator[TypedBatch]:
    for batch in stream:
        kept, _ = typed_without(batch, suppressed)
        erased.n += len(batch.ids) - len(kept.ids)
        if len(kept.ids):
            yield kept


def _peek(stream: Iterator[TypedBatch]) -> tuple[list[TypedBatch], Iterator[TypedBatch]]:
    """The first batches, until they show whether the table is small; and all of them again."""
    head: list[TypedBatch] = []
    seen = 0
    for batch in stream:
        head.append(batch)
        seen += len(batch.ids)
        if seen > REASONS_UP_TO_ROWS:
            break
    return head, itertools.chain(head, stream)
