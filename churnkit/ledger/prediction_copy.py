"""Many predictions into the ledger, within a transaction that writes other things, too."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import sqlalchemy as sa

from churnkit.domain.recording import PredictionColumns
from churnkit.ledger.tables import predictions

_COLUMNS = (
    "prediction_id",
    "customer_id",
    "probability",
    "risk_band",
    "reasons",
    "unknown_categories",
    "model_version",
    "variant",
    "made_at",
    "as_of",
    "request_id",
    "rollout_id",
    "shadow_of",
)
_COPY = f"copy predictions ({', '.join(_COLUMNS)}) from stdin"
# COPY's text format: a tab between values, a newline after each row, \N for null.
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def insert_predictions(connection: sa.Connection, part: PredictionColumns) -> None:
    """Add predictions: on PostgreSQL by COPY."""
    if not len(part):
        return
    if connection.dialect.name != "postgresql":
        connection.execute(
            sa.insert(predictions), [dict(zip(_COLUMNS, row, strict=True)) for row in _rows(part)]
        )
        return
    text = io.StringIO(
        "".join("\t".join(map(_copied, row)) + "\n" for row in _rows(part)), newline="\n"
    )
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor:
        cursor.copy_expert(_COPY, text)


def _rows(part: PredictionColumns) -> Iterator[tuple[Any, ...]]:
    """In the order of ``_COLUMNS``."""
    n = len(part)
    return zip(
        part.prediction_ids,
        part.customer_ids,
        part.probabilities,
        part.risk_bands,
        part.reasons,
        part.unknown_categories,
        repeat(part.model_version, n),
        repeat(part.variant, n),
        repeat(part.made_at, n),
        repeat(part.as_of, n),
        repeat(part.request_id, n),
        repeat(part.rollout_id, n),
        repeat(None, n) if part.shadow_of is None else part.shadow_of,
        strict=True,
    )


def _copied(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    return str(value.isoformat())
