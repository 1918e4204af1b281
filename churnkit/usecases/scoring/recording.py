"""Scored customers as predictions in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from churnkit.domain.predictions import PredictionRow, Reason
from churnkit.domain.rollouts import RolloutFailure
from churnkit.ledger.prediction_rows import Recording
from churnkit.usecases.rollouts.arms import CHALLENGER, CHAMPION


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all predictions of one call share.

    ``trouble`` is why the challenger of a rollout did not score all; empty: it did.
    """

    made_at: datetime
    as_of: datetime | None
    rollout_id: str | None
    trouble: str


def record_scores(
    recording: Recording, batch: pa.RecordBatch, reasons: int, stamp: Stamp, ids: Iterator[str]
) -> list[PredictionRow]:
    """The answers, and in a rollout what the silent model said, or that it could not.

    Returns
    -------
    answers : what was recorded of them
    """
    rows = batch.to_pylist()
    answers = [
        PredictionRow(
            prediction_id=next(ids),
            customer_id=row["customer_id"],
            model_version=row["model_version"],
            probability=row["probability"],
            risk_band=row["risk_band"],
            variant=row.get("variant", CHAMPION),
            made_at=stamp.made_at,
            as_of=stamp.as_of,
            rollout_id=stamp.rollout_id,
            reasons=tuple(
                _reason(row, rank)
                for rank in range(1, reasons + 1)
                if row.get(f"reason_{rank}") is not None
            ),
        )
        for row in rows
    ]
    recording.add(answers)
    if stamp.rollout_id is None:
        return answers
    pairs = list(zip(answers, rows, strict=True))
    recording.add(
        PredictionRow(
            prediction_id=next(ids),
            customer_id=answer.customer_id,
            model_version=row["shadow_version"],
            probability=row["shadow_probability"],
            risk_band=row["shadow_risk_band"],
            variant=CHAMPION if answer.variant == CHALLENGER else CHALLENGER,
            made_at=stamp.made_at,
            as_of=stamp.as_of,
            rollout_id=stamp.rollout_id,
            shadow_of=answer.prediction_id,
        )
        for answer, row in pairs
        if row["shadow_probability"] is not None
    )
    recording.add_failures(
        RolloutFailure(
            prediction_id=answer.prediction_id,
            rollout_id=stamp.rollout_id,
            variant=CHALLENGER,
            at=stamp.made_at,
            why=stamp.trouble,
        )
        for answer, row in pairs
        if row["shadow_probability"] is None
    )
    return answers


def _reason(row: dict[str, Any], rank: int) -> Reason:
    return Reason(
        column=row[f"reason_{rank}"],
        value=row[f"reason_{rank}_value"],
        points=row[f"reason_{rank}_points"],
    )
