"""What is asked of a batch, and the tables it answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import pyarrow as pa

from churnkit.data.part_formats import TableFormat
from churnkit.domain.frozen import Frozen

RESULT, FAILED = "result", "failed"
FAILED_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        *((name, pa.string()) for name in ("customer_id", "column", "given", "reason", "fix")),
    ]
)
"""The columns of the rows that were set aside."""


class BatchRequest(Frozen):
    """What was asked of a batch."""

    format: TableFormat
    record: bool = True
    reasons: int = 0
    on_error: Literal["skip", "fail"] = "skip"
    as_of: datetime | None = None


def result_schema(reasons: int) -> pa.Schema:
    """The columns of a batch's result."""
    fields: list[tuple[str, pa.DataType]] = [
        ("row", pa.int64()),
        ("customer_id", pa.string()),
        ("prediction_id", pa.string()),
        ("probability", pa.float64()),
        ("risk_band", pa.string()),
        ("model_version", pa.string()),
        ("variant", pa.string()),
        ("unknown_categories", pa.list_(pa.string())),
    ]
    for k in range(1, reasons + 1):
        fields += [
            (f"reason_{k}", pa.string()),
            (f"reason_{k}_value", pa.string()),
            (f"reason_{k}_points", pa.float64()),
        ]
    return pa.schema(fields)
