"""Offline features of a test's log, as plain rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from churnkit.features.definitions import FeatureSet
from churnkit.features.offline import stream_features
from churnkit.features.requests import ask
from tests.features.event_logs import Log

Rows = dict[tuple[str, int], dict[str, Any]]


def built(
    log: Log, features: FeatureSet, pairs: list[tuple[str, int]], *, by_moment: bool | None = None
) -> Rows:
    """The offline features of these (customer, as_of) pairs, which may repeat."""
    table = pa.table(
        {
            "customer_id": pa.array([name for name, _ in pairs], pa.string()),
            "as_of": pa.array([moment for _, moment in pairs], pa.timestamp("us", tz="UTC")),
        }
    )
    with log.connection() as connection:
        asked = ask(connection, log.zone, pairs=table)
        batches = list(
            stream_features(connection, features, log.schema(), asked, by_moment=by_moment)
        )
    rows: Rows = {}
    for row in pa.Table.from_batches(batches).cast(_numbers(batches[0].schema)).to_pylist():
        key = row.pop("customer_id"), row.pop("as_of")
        assert key not in rows
        rows[key] = row
    return rows


def _numbers(schema: pa.Schema) -> pa.Schema:
    return schema.set(1, pa.field("as_of", pa.int64()))
