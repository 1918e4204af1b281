"""Requests about batches."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from churnkit.client.call import new_key
from churnkit.client.files import File, Upload, rereadable, type_of
from churnkit.client.messages.batches import Batch, TableFormat


def submit(
    file: File,
    *,
    format: TableFormat | None = None,
    record: bool = True,
    reasons: int = 0,
    on_error: Literal["skip", "fail"] = "skip",
    as_of: datetime | None = None,
    idempotency_key: str | None = None,
) -> Upload[Batch]:
    """Upload a file of customers, to be scored.

    Parameters
    ----------
    file : a path, or the bytes piece by piece
    format : csv, ndjson or parquet; None: the path's ending says it
    record : whether the predictions go into the ledger
    reasons : for each customer
    on_error : rows that cannot be scored are set aside (skip), or none is scored (fail)
    as_of : the moment to look from, where the service knows the features; None: now
    idempotency_key : the same key does the same work once; None: a new one
    """
    query = {"record": "true" if record else "false", "reasons": str(reasons), "on_error": on_error}
    if format is not None:
        query["format"] = format
    if as_of is not None:
        query["as_of"] = as_of.isoformat()
    return Upload(
        "POST",
        "/v1/batches",
        Batch,
        query=query,
        idempotency_key=idempotency_key or new_key(),
        content_type=type_of(file, format),
        file=rereadable(file),
    )
