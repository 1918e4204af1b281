"""What churnkit needs of a Spark session; pyspark is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from churnkit.errors import MissingDependency

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NEEDED = {
    # Errors instead of wrapped numbers, and "name" as a name: the statement is DuckDB's, too.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.ansi.doubleQuotedIdentifiers": "true",
    "spark.sql.session.timeZone": "UTC",
}


def get_session(name: str = "churnkit", *, master: str | None = None, **options: str) -> Any:
    """The running session, or a new one.

    Parameters
    ----------
    master : such as ``local[2]``; None: as spark-submit says
    options : further settings, with ``__`` for the dots (``spark__ui__enabled="false"``)

    Raises
    ------
    MissingDependency : pyspark is not installed, or finds no Java
    """
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingDependency(
            "pyspark is not installed.", fix="Install it with: pip install 'churnkit[spark]'."
        ) from error
    builder = SparkSession.builder.appName(name)
    if master is not None:
        builder = builder.master(master)
    for key, value in options.items():
        builder = builder.config(key.replace("__", "."), value)
    try:
        return builder.getOrCreate()
    except (PySparkException, OSError) as error:
        raise MissingDependency(
            f"Spark did not start: {error}.",
            fix="Install a Java runtime (17 or 21) and set JAVA_HOME.",
        ) from error


@contextmanager
def as_needed(spark: SparkSession) -> Iterator[None]:
    """Set what the statement needs for as long as it is read; then as it was before."""
    before = {key: spark.conf.get(key, None) for key in NEEDED}
    for key, value in NEEDED.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)
