"""Predictions as rows of their table, and the transaction that takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa

from churnkit.domain.predictions import PredictionRow, Reason
from churnkit.domain.rollouts import RolloutFailure
from churnkit.errors import BadValue
from churnkit.ledger.rollouts import insert_failures
from churnkit.ledger.tables import predictions

_CHUNK = 1_000


class Recording:
    """An open transaction that takes predictions."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def add(self, rows: Iterable[PredictionRow]) -> None:
        """Add predictions; they are there when the transaction commits.

        Raises
        ------
        BadValue : a prediction id is there already; nothing of the transaction is kept
        """
        for chunk in _chunks(rows):
            try:
                self.connection.execute(
                    sa.insert(predictions), [_prediction_values(row) for row in chunk]
                )
            except sa.exc.IntegrityError as error:
                raise BadValue(
                    "a prediction with this id is in the ledger already; none was added.",
                    fix="Give each prediction an id of its own.",
                    field="prediction_id",
                ) from error

    def add_failures(self, failures: Iterable[RolloutFailure]) -> None:
        """Add that a rollout's model could not score what the other one answered."""
        insert_failures(self.connection, failures)


def _chunks(rows: Iterable[PredictionRow]) -> Iterator[Sequence[PredictionRow]]:
    stream = iter(rows)
    while chunk := tuple(islice(stream, _CHUNK)):
        yield chunk


def _prediction_values(row: PredictionRow) -> dict[str, Any]:
    # Field by field: dumping a model costs more than its INSERT.
    reasons = [
        {"column": one.column, "value": one.value, "points": one.points} for one in row.reasons
    ]
    return {
        "prediction_id": row.prediction_id,
        "customer_id": row.customer_id,
        "model_version": row.model_version,
        "probability": row.probability,
        "risk_band": row.risk_band,
        "variant": row.variant,
        "made_at": row.made_at,
        "reasons": json.dumps(reasons, ensure_ascii=False) if reasons else "[]",
        "as_of": row.as_of,
        "request_id": row.request_id,
        "rollout_id": row.rollout_id,
        "shadow_of": row.shadow_of,
        "unknown_categories": json.dumps(row.unknown_categories)
        if row.unknown_categories
        else None,
    }


def read_prediction(row: sa.RowMapping) -> PredictionRow:
    """A row of the table ``predictions``."""
    reasons = tuple(Reason(**reason) for reason in json.loads(row["reasons"]))
    unknown = tuple(json.loads(row["unknown_categories"] or "[]"))
    kept = {name: value for name, value in row.items() if name != "written_in"}
    return PredictionRow(**{**kept, "reasons": reasons, "unknown_categories": unknown})
