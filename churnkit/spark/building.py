"""Features on Spark, over the tables that ``churnkit features export`` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from churnkit.data.event_tables import ATTRIBUTES, CUSTOMERS, EVENTS, SUBSCRIPTIONS
from churnkit.domain.events import LogSchema
from churnkit.errors import AsOfInvalid
from churnkit.features.checking import check_features
from churnkit.features.compile import REQUESTS, compile_features
from churnkit.features.definitions import FeatureSet
from churnkit.features.moment import Moment
from churnkit.spark.session import as_needed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TABLES = (CUSTOMERS, EVENTS, ATTRIBUTES, SUBSCRIPTIONS)


def build_features(
    spark: SparkSession,
    tables: str,
    features: FeatureSet,
    schema: LogSchema,
    *,
    as_of: Sequence[datetime],
    customers: DataFrame | None = None,
) -> DataFrame:
    """The features of customers at moments, as a DataFrame that is computed when it is used.

    Parameters
    ----------
    tables : the exported folder, as Spark reads it (``hdfs:…``, ``s3a:…`` or a path)
    as_of : moments with their zone; each is asked for each customer
    customers : a DataFrame with ``customer_id``; None: all customers of the log

    Returns
    -------
    frame : customer_id, as_of (timestamp), and the features; one row for each customer and moment,
        equal to what DuckDB gives: exactly for whole numbers and sums, to 1e-9 for ratios

    Raises
    ------
    FeatureError : the set does not fit the log
    AsOfInvalid : no moment, or one without a zone
    """
    check_features(features, schema)
    moments = sorted({_moment(moment, schema.zone) for moment in as_of})
    if not moments:
        raise AsOfInvalid("no moment to look from was given.", fix="Name one or more with as_of.")
    for name in TABLES:
        spark.read.parquet(f"{tables.rstrip('/')}/{name}.parquet").createOrReplaceTempView(name)
    asked = _asked(spark, customers, moments)
    asked.select("customer_no", "as_of_us", "as_of_day").createOrReplaceTempView(REQUESTS)
    one = moments[0] if len(moments) == 1 else None
    statement = compile_features(features, schema, moment=one, everyone=customers is None)
    with as_needed(spark):
        built = spark.sql(statement.sql)
        ids = asked.select("customer_id", "customer_no").distinct()
        named = built.join(ids, "customer_no").withColumnRenamed("as_of_us", "as_of")
        listed = ["customer_id", "timestamp_micros(as_of) AS as_of"]
        return named.selectExpr(*listed, *(f'"{name}"' for name in statement.columns))


def _moment(moment: datetime, zone: str) -> Moment:
    if moment.tzinfo is None:
        raise AsOfInvalid(
            f"the moment {moment.isoformat(sep=' ')} has no zone.",
            fix="Give it one, for example datetime(2026, 1, 1, tzinfo=UTC).",
        )
    return Moment.of(moment, zone)


def _asked(spark: SparkSession, customers: DataFrame | None, moments: list[Moment]) -> Any:
    """Each customer at each moment; those whom the log does not know get numbers below 0."""
    known = spark.table(CUSTOMERS).select("customer_no", "customer_id")
    if customers is not None:
        wanted = customers.selectExpr("CAST(customer_id AS STRING) AS customer_id").distinct()
        joined = wanted.join(known, "customer_id", "left")
        joined.createOrReplaceTempView("feature_customers")
        known = spark.sql(
            "SELECT customer_id, CAST(coalesce(customer_no, -row_number() OVER "
            "(PARTITION BY customer_no IS NULL ORDER BY customer_id)) AS INT) AS customer_no "
            "FROM feature_customers"
        )
    rows = [tuple(moment) for moment in moments]
    return known.crossJoin(spark.createDataFrame(rows, "as_of_us bigint, as_of_day int"))
