"""What becomes of a piece of a batch: its scores, and all that is kept of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.part_formats import pack
from churnkit.domain.jobs import row_ids
from churnkit.domain.recording import PredictionColumns
from churnkit.domain.rollouts import RolloutFailure
from churnkit.inference.batch import score_typed
from churnkit.inference.predictor import Predictor
from churnkit.usecases.jobs.batch_answers import (
    FAILED,
    FAILED_SCHEMA,
    RESULT,
    BatchRequest,
    result_schema,
)
from churnkit.usecases.jobs.batch_arms import LivePair, recorded
from churnkit.usecases.jobs.batch_rows import Piece
from churnkit.usecases.jobs.work import now
from churnkit.usecases.monitoring.feature_notes import Noted, sampled

VARIANT = "champion"


@dataclass(frozen=True, slots=True)
class ScoredPiece:
    """A piece with all that is to be kept of it."""

    piece: Piece
    predictions: Sequence[PredictionColumns] = ()
    failures: Sequence[RolloutFailure] = ()
    parts: Sequence[tuple[str, bytes, int]] = ()
    """Name, content and rows of what the piece adds to the result."""
    mass: float = 0.0
    bands: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    noted: Noted | None = None
    """A sample of the rows, for the test of drift."""


@dataclass(frozen=True)
class PieceScorer:
    """Scores pieces of one batch; several at the same time.

    Parameters
    ----------
    share : of the rows that are noted for the test of drift, in [0, 1]
    """

    job_id: str
    predictor: Predictor
    asked: BatchRequest
    share: float

    def score(self, piece: Piece, pair: LivePair | None) -> ScoredPiece:
        """Score the rows that can be scored.

        Parameters
        ----------
        pair : the arms of a rollout that share the rows out; None: the champion alone answers
        """
        parts = [_set_aside(piece)] if piece.faults else []
        if not piece.numbers:
            return ScoredPiece(piece, parts=parts)
        asked = self.asked
        scores = score_typed(self.predictor, piece.batch, reasons=asked.reasons)
        trouble = ""
        if pair is not None:
            scores, trouble = pair.score(scores, piece.batch, asked.reasons)
        ids = row_ids(self.job_id, piece.numbers)
        unseen = self.predictor.encoder.unseen_rows(piece.batch.columns)
        parts.append(_result(scores, piece.numbers, ids, unseen, asked.reasons, pair is not None))
        predictions: list[PredictionColumns] = []
        failures: list[RolloutFailure] = []
        if asked.record and pair is not None:
            predictions, failures = recorded(
                scores,
                ids,
                _reasons(scores, asked.reasons),
                unseen,
                pair.arms,
                made_at=now(),
                as_of=asked.as_of,
                request_id=self.job_id,
                trouble=trouble,
            )
        elif asked.record:
            predictions = [self._predictions(scores, ids, unseen)]
        return ScoredPiece(
            piece,
            predictions,
            failures,
            parts,
            float(pc.sum(scores.column("probability")).as_py()),
            Counter(scores.column("risk_band").to_pylist()),
            Counter(name for names in unseen.values() for name in names),
            self._sample(piece, ids, scores),
        )

    def _predictions(
        self, scores: pa.RecordBatch, ids: list[str], unseen: Mapping[int, Sequence[str]]
    ) -> PredictionColumns:
        unknown: list[str | None] = [None] * len(ids)
        for i, names in unseen.items():
            unknown[i] = json.dumps(names)
        return PredictionColumns(
            prediction_ids=ids,
            customer_ids=scores.column("customer_id").to_pylist(),
            probabilities=scores.column("probability").to_pylist(),
            risk_bands=scores.column("risk_band").to_pylist(),
            reasons=_reasons(scores, self.asked.reasons),
            unknown_categories=unknown,
            model_version=self.predictor.version,
            variant=VARIANT,
            made_at=now(),
            as_of=self.asked.as_of,
            request_id=self.job_id,
        )

    def _sample(self, piece: Piece, ids: list[str], scores: pa.RecordBatch) -> Noted | None:
        if not self.share:
            return None
        return sampled(piece.batch, ids, scores, version=self.predictor.version, share=self.share)


def _set_aside(piece: Piece) -> tuple[str, bytes, int]:
    faults = [
        {"row": fault.row, "customer_id": fault.customer_id, "column": fault.column,
         "given": fault.given, "reason": fault.reason, "fix": fault.fix}
        for fault in piece.faults
    ]  # fmt: skip
    return FAILED, pack(pa.RecordBatch.from_pylist(faults, schema=FAILED_SCHEMA)), len(faults)


def _result(
    scores: pa.RecordBatch,
    numbers: Sequence[int],
    ids: Sequence[str],
    unseen: Mapping[int, Sequence[str]],
    reasons: int,
    paired: bool,
) -> tuple[str, bytes, int]:
    n = len(ids)
    columns = {name: scores.column(name) for name in scores.schema.names} | {
        "row": pa.array(numbers, pa.int64()),
        "prediction_id": pa.array(ids, pa.string()),
        "variant": scores.column("variant")
        if paired
        else pa.repeat(pa.scalar(VARIANT, pa.string()), n),
        "unknown_categories": pa.array(
            [unseen.get(i, ()) for i in range(n)], pa.list_(pa.string())
        ),
    }
    schema = result_schema(reasons)
    result = pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
    return RESULT, pack(result), n


def _reasons(scores: pa.RecordBatch, wanted: int) -> list[str]:
    """The reasons of each row, as they are kept."""
    if not wanted:
        return ["[]"] * scores.num_rows
    ranked = [
        zip(
            scores.column(f"reason_{k}").to_pylist(),
            scores.column(f"reason_{k}_value").to_pylist(),
            scores.column(f"reason_{k}_points").to_pylist(),
            strict=True,
        )
        for k in range(1, wanted + 1)
    ]
    return [
        json.dumps(
            [
                {"column": column, "value": value, "points": points}
                for column, value, points in row
                if column is not None
            ],
            ensure_ascii=False,
        )
        for row in zip(*ranked, strict=True)
    ]
