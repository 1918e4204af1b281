"""``spark-submit`` runs this file: features of exported tables, scored if a bundle is named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from churnkit.domain.events import LogSchema
from churnkit.errors import ChurnkitError, DataUnreadable
from churnkit.features.as_of import parse_as_of
from churnkit.features.toml import features_from_text
from churnkit.spark.building import build_features
from churnkit.spark.scoring import score_frame
from churnkit.spark.session import get_session

USER_ERROR = 2


def run(arguments: Sequence[str] | None = None) -> None:
    """Build features (and score them) as the arguments say, and write Parquet.

    Raises
    ------
    ChurnkitError : an argument, a table or the bundle cannot be used
    """
    parser = argparse.ArgumentParser(description="Features, or scores, of an exported log on Spark")
    parser.add_argument("--tables", required=True, help="what 'churnkit features export' wrote")
    parser.add_argument("--as-of", action="append", required=True, help="a date; repeat it")
    parser.add_argument("--customers", help="a Parquet table with customer_id; default: all")
    parser.add_argument("--bundle", type=Path, help="a model's bundle on the driver, to score")
    parser.add_argument("-o", "--output", required=True, help="the Parquet folder to write")
    asked = parser.parse_args(arguments)
    for text in asked.as_of:  # a wrong date is told before Spark starts
        parse_as_of(text, "UTC")
    spark = get_session("churnkit features")
    tables = asked.tables.rstrip("/")
    schema = LogSchema.model_validate_json(_text(spark, f"{tables}/log_schema.json"))
    features = features_from_text(_text(spark, f"{tables}/features.toml"))
    moments = [parse_as_of(text, schema.zone) for text in asked.as_of]
    chosen = spark.read.parquet(asked.customers) if asked.customers else None
    frame = build_features(spark, tables, features, schema, as_of=moments, customers=chosen)
    if asked.bundle is not None:
        frame = score_frame(frame, asked.bundle)
    frame.write.mode("errorifexists").parquet(asked.output)


def _text(spark: object, path: str) -> str:
    """A small file, wherever Spark finds it."""
    try:
        rows = spark.read.text(path, wholetext=True).collect()  # type: ignore[attr-defined]
    except Exception as error:  # Py4J wraps whatever the file system raised
        raise DataUnreadable(
            "the file cannot be read.",
            fix="Name the folder that 'churnkit features export' wrote.",
            file=path,
        ) from error
    return str(rows[0][0])


if __name__ == "__main__":
    try:
        run()
    except ChurnkitError as problem:
        sys.stderr.write(f"Error: {problem}\n")
        sys.exit(USER_ERROR)
