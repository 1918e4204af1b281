"""Offline features of a test's log, as plain rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from churnkit.data.event_tables import CUSTOMERS
from churnkit.domain.moments import day_number
from churnkit.features.compile import REQUESTS, compile_features
from churnkit.features.definitions import FeatureSet
from churnkit.features.moment import Moment
from churnkit.features.offline import Plan, arrow_schema, stream_features
from churnkit.features.requests import ask
from tests.features.event_logs import Log, fill

Rows = dict[tuple[str, int], dict[str, Any]]


def built(
    log: Log, features: FeatureSet, pairs: list[tuple[str, int]], *, plan: Plan | None = None
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
        batches = list(stream_features(connection, features, log.schema(), asked, plan=plan))
    return _rows(pa.Table.from_batches(batches))


def built_for_one_moment(log: Log, features: FeatureSet, pairs: list[tuple[str, int]]) -> Rows:
    """The known customers' rows from the statement that is written for the pairs' one moment."""
    ((moment, day),) = {(us, day_number(us, log.zone)) for _, us in pairs}
    numbers = log.numbers()
    known = {name: numbers[name] for name, _ in pairs if name in numbers}
    requests = pa.table(
        {
            "customer_no": pa.array([*known.values(), *known.values()], pa.int32()),
            "as_of_us": pa.array([moment] * 2 * len(known), pa.int64()),
            "as_of_day": pa.array([day] * 2 * len(known), pa.int32()),
        }
    )
    statement = compile_features(features, log.schema(), moment=Moment(moment, day))
    with log.connection() as connection:
        fill(connection, {REQUESTS: requests})
        found = connection.sql(
            f"SELECT customer_id, f.* EXCLUDE (customer_no) FROM ({statement.sql}) f "
            f"JOIN {CUSTOMERS} USING (customer_no)"
        ).to_arrow_table()
    shape = arrow_schema(dict(statement.columns))
    return _rows(found.rename_columns(shape.names).cast(shape))


def _rows(table: pa.Table) -> Rows:
    rows: Rows = {}
    for row in table.cast(_numbers(table.schema)).to_pylist():
        key = row.pop("customer_id"), row.pop("as_of")
        assert key not in rows
        rows[key] = row
    return rows


def _numbers(schema: pa.Schema) -> pa.Schema:
    return schema.set(1, pa.field("as_of", pa.int64()))
