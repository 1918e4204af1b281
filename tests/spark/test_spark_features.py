"""Spark gives what DuckDB gives, from the very same statement."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyarrow import parquet

from churnkit.domain.moments import day_number
from churnkit.errors import AsOfInvalid
from churnkit.features.compile import REQUESTS, compile_features
from churnkit.features.definitions import EventFeature, FeatureSet
from churnkit.features.moment import Moment
from churnkit.features.offline import stream_features
from churnkit.features.requests import ask
from churnkit.spark.building import build_features
from churnkit.spark.session import NEEDED, as_needed
from tests.features.event_logs import Log, at, fill, us
from tests.features.random_logs import Case, cases
from tests.features.sets import EVERYTHING

pytestmark = [
    pytest.mark.long,  # it starts a JVM
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]
ZONE = "Europe/Berlin"


def _fewer() -> FeatureSet:
    """Every aggregate, filter, window and kind, but not all their products: planning is slow."""
    kept = []
    for at_, feature in enumerate(EVERYTHING.features):
        if isinstance(feature, EventFeature) and feature.aggregate == "distinct":
            if feature.name in ("all_distinct_7", "both_distinct_ever", "kinds"):
                kept.append(feature)
        elif not isinstance(feature, EventFeature) or at_ % 7 < 1 or feature.name in NAMED:
            kept.append(feature)
    return FeatureSet(features=tuple(kept))


NAMED = {
    "buy_count_7", "all_count_7", "all_count_63", "all_sum_ever", "all_active_days_ever",
    "buy_sum_7", "buy_sum_63", "all_count_ever",
}  # fmt: skip
FEATURES = _fewer()


def collected(n_examples: int) -> Case:
    """Many examples of hypothesis as one log: one Spark job instead of one for each."""
    log, pairs = Log(zone=ZONE), []

    @settings(max_examples=n_examples)
    @given(cases(4, zone=ZONE))
    def collect(case: Case) -> None:
        nonlocal log
        mark = f"_{len(pairs)}"
        facts = (*case.log.events, *case.log.versions, *case.log.periods)
        log = log.plus(*(replace(fact, customer=fact.customer + mark) for fact in facts))
        log = replace(
            log, customers=(*log.customers, *(name + mark for name in case.log.customers))
        )
        pairs.extend((name + mark, moment) for name, moment in case.pairs)

    collect()
    return Case(log, pairs)


def requests(case: Case) -> pa.Table:
    """The pairs by number, those unknown below 0, and each twice."""
    number = case.log.numbers()
    strange = {name: -at_ for at_, (name, _) in enumerate(case.pairs, 1) if name not in number}
    rows = [({**strange, **number}[name], moment) for name, moment in case.pairs] * 2
    return pa.table(
        {
            "customer_no": pa.array([no for no, _ in rows], pa.int32()),
            "as_of_us": pa.array([moment for _, moment in rows], pa.int64()),
            "as_of_day": pa.array(
                [day_number(moment, case.log.zone) for _, moment in rows], pa.int32()
            ),
        }
    )


def write(log: Log, folder: Path) -> None:
    for name, table in log.tables().items():
        parquet.write_table(table, folder / f"{name}.parquet")


def assert_equal(found: pa.Table, wanted: pa.Table, keys: list[str]) -> None:
    """Types and whole numbers are equal, sums too; ratios and means to 1e-9."""
    assert found.schema.names == wanted.schema.names
    order = [(key, "ascending") for key in keys]
    found, wanted = found.sort_by(order), wanted.sort_by(order)
    assert found.num_rows == wanted.num_rows > 0
    for name in wanted.column_names:
        assert found.schema.field(name).type == wanted.schema.field(name).type, name
        exact = "_sum_" in name or not pa.types.is_floating(wanted.schema.field(name).type)
        for one, other in zip(found[name].to_pylist(), wanted[name].to_pylist(), strict=True):
            if exact or one is None or other is None:
                assert one == other, name
            else:
                assert math.isclose(one, other, rel_tol=1e-9), name


def test_spark_equals_duckdb_on_random_logs(spark: Any, tmp_path: Path) -> None:
    case = collected(60)
    asked = requests(case)
    assert len(case.log.events) > 500
    write(case.log, tmp_path)
    parquet.write_table(asked, tmp_path / f"{REQUESTS}.parquet")
    sql = compile_features(FEATURES, case.log.schema()).sql
    with case.log.connection() as connection:
        fill(connection, {REQUESTS: asked})
        wanted = connection.sql(sql).to_arrow_table()
    for name in (*case.log.tables(), REQUESTS):
        spark.read.parquet(str(tmp_path / f"{name}.parquet")).createOrReplaceTempView(name)
    with as_needed(spark):
        found = spark.sql(sql).toArrow()
    assert wanted.num_rows == len(set(case.pairs))
    assert_equal(found, wanted, ["customer_no", "as_of_us"])


def test_a_panel_built_on_spark_equals_one_built_on_duckdb(spark: Any, tmp_path: Path) -> None:
    """One moment for all, by customers' ids, some of them unknown."""
    case = collected(20)
    write(case.log, tmp_path)
    moment = at(us(2024, 4, 1))
    names = [*case.log.customers, "zoe", "zoe", "max"]
    frame = spark.createDataFrame([(name,) for name in names], "customer_id string")
    before = {key: spark.conf.get(key, None) for key in NEEDED}
    found = build_features(
        spark, str(tmp_path), FEATURES, case.log.schema(), as_of=[moment], customers=frame
    ).toArrow()
    assert {key: spark.conf.get(key, None) for key in NEEDED} == before
    with case.log.connection() as connection:
        asked = ask(connection, ZONE, as_of=[moment], customers=pa.array(names))
        batches = list(stream_features(connection, FEATURES, case.log.schema(), asked))
    found = found.set_column(1, "as_of", found["as_of"].cast(pa.timestamp("us", tz="UTC")))
    assert_equal(found, pa.Table.from_batches(batches), ["customer_id"])
    assert found.num_rows == len(set(names))


def test_spark_refuses_what_duckdb_refuses(spark: Any, tmp_path: Path) -> None:
    write(Log(), tmp_path)
    schema = Log().schema()
    with pytest.raises(AsOfInvalid):
        build_features(spark, str(tmp_path), FEATURES, schema, as_of=[])
    with pytest.raises(AsOfInvalid, match="no zone"):
        naive = at(0).replace(tzinfo=None)
        build_features(spark, str(tmp_path), FEATURES, schema, as_of=[naive])
    assert Moment.of(at(0), "UTC") == (0, 0)
