"""DuckDB against the reference; and no forbidden fact moves a value."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings

from churnkit.features.checking import check_features
from churnkit.features.definitions import (
    EventFeature,
    FeatureSet,
    SubscriptionFeature,
    AttributeFeature,
)
from churnkit.features.offline import stream_features
from churnkit.features.requests import ask
from tests.features.event_logs import Event, Log, Period, Version, at, us
from tests.features.random_logs import Case, cases, moments
from tests.features.reference import reference
from tests.features.sets import EVERYTHING

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


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Whole numbers, texts and missing values are equal, others to 1e-9."""
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        if isinstance(value, float) and found[name] is not None:
            assert math.isclose(found[name], value, rel_tol=1e-9), (name, found[name], value)
        else:
            assert found[name] == value, (name, found[name], value)


@settings(max_examples=8)
@given(cases())
def test_each_request_equals_the_reference(case: Case) -> None:
    check_features(EVERYTHING, case.log.schema())
    rows = built(case.log, EVERYTHING, [*case.pairs, case.pairs[0]], by_moment=False)
    assert set(rows) == set(case.pairs)
    for (customer, as_of_us), found in rows.items():
        assert_same(found, reference(case.log, EVERYTHING, customer, as_of_us))


@settings(max_examples=8)
@given(cases(), moments())
def test_one_moment_for_all_equals_the_reference(case: Case, as_of_us: int) -> None:
    pairs = [(customer, as_of_us) for customer, _ in case.pairs]
    rows = built(case.log, EVERYTHING, [*pairs, pairs[0]], by_moment=True)
    assert set(rows) == set(pairs)
    for (customer, _), found in rows.items():
        assert_same(found, reference(case.log, EVERYTHING, customer, as_of_us))
