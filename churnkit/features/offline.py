"""Features for many customers and moments, from DuckDB, as a stream in bounded memory."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from churnkit.data.event_tables import EVENTS, category_column
from churnkit.domain.events import LogSchema
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import BadValue, Cancelled, DiskFull, TooLittleMemory
from churnkit.features.compile import REQUESTS, ColumnKind, compile_features
from churnkit.features.definitions import EventFeature, FeatureSet
from churnkit.features.event_aggregates import MOST_WORDS
from churnkit.features.moment import Moment
from churnkit.features.requests import ASKED, MOST_MOMENTS, Asked

BATCH_ROWS = 65_536
ARROW: dict[ColumnKind, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
}
AS_OF = pa.timestamp("us", tz="UTC")
_SHARED = 0.02
"""A moment has a scan of its own if at least this share of the customers is asked for."""
_FEW = 0.2
"""Below this share of the customers it pays to leave out the others' events first."""


def arrow_schema(columns: dict[str, ColumnKind]) -> pa.Schema:
    """The columns of a stream of features: customer_id, as_of, and the features."""
    listed = [pa.field("customer_id", pa.string()), pa.field("as_of", AS_OF)]
    return pa.schema(listed + [pa.field(name, ARROW[kind]) for name, kind in columns.items()])


@contextmanager
def memory_within(
    connection: duckdb.DuckDBPyConnection, limit_bytes: int | None, beside: Path
) -> Iterator[None]:
    """Let DuckDB use at most so much memory, and put the rest into a folder that goes away.

    Parameters
    ----------
    limit_bytes : None: DuckDB's own choice
    beside : the folder in which the temporary one is made

    Raises
    ------
    TooLittleMemory, DiskFull : what was done inside did not fit
    """
    # A project that may only be read is no reason not to build.
    place = beside if os.access(beside, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=".features-", dir=place) as folder:
        # One database file that is open twice in a process keeps the folder it began with.
        with suppress(duckdb.NotImplementedException):
            connection.execute("SET temp_directory = ?", [folder])
        if limit_bytes is not None:
            connection.execute("SET memory_limit = ?", [f"{limit_bytes}B"])
        connection.execute("SET preserve_insertion_order = false")
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise TooLittleMemory(
                "the features do not fit into the allowed memory, even with the disk's help.",
                fix="Allow more with --memory, or ask for fewer dates at once.",
            ) from error
        except duckdb.IOException as error:
            if "space" in str(error) or "temp_directory_size" in str(error):
                raise DiskFull(
                    "the disk has no room for what does not fit into memory.",
                    fix="Free some space, or allow more memory with --memory.",
                ) from error
            raise
        finally:
            connection.execute("RESET memory_limit")


def stream_features(
    connection: duckdb.DuckDBPyConnection,
    features: FeatureSet,
    schema: LogSchema,
    asked: Asked,
    *,
    by_moment: bool | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[pa.RecordBatch]:
    """Compute the features of all requests.

    Parameters
    ----------
    features : a set that was checked against the log
    asked : what ``ask`` has put into the connection's temporary table
    by_moment : whether each moment has a scan of its own; None: whichever is quicker

    Yields
    ------
    batch : ``customer_id``, ``as_of`` (timestamp[us, UTC]), then the features; each request once,
        the moments in order
    """
    cancel = cancel or Cancel()
    done = 0
    connection.execute("SET enable_progress_bar = false")  # ours is shown, where one is wanted
    words = few_words(connection, features, schema)
    for part in _parts(asked, by_moment):
        cancel.check()
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {REQUESTS} AS SELECT customer_no, as_of_us, as_of_day "
            f"FROM {ASKED}{part.where}"
        )
        statement = compile_features(
            features,
            schema,
            moment=part.moment,
            everyone=part.share >= _FEW,
            words=words,
            repeated=False,  # ASKED holds each pair once
        )
        sql = (
            f"SELECT q.customer_id, f.* EXCLUDE (customer_no) FROM ({statement.sql}) f "
            f"JOIN (SELECT * FROM {ASKED}{part.where}) q "
            "ON q.customer_no = f.customer_no AND q.as_of_us = f.as_of_us"
        )
        shape = arrow_schema(dict(statement.columns))
        for batch in _interruptible(connection, sql, cancel):
            done += batch.num_rows
            progress(Step("building features", done / asked.n_rows, f"{done:,} rows"))
            yield _shaped(batch, shape)


def few_words(
    connection: duckdb.DuckDBPyConnection, features: FeatureSet, schema: LogSchema
) -> dict[str, tuple[str, ...]]:
    """All words of those text columns that ``distinct`` looks at, where they are few."""
    found: dict[str, tuple[str, ...]] = {}
    for name in schema.categories:
        if any(
            isinstance(one, EventFeature) and one.aggregate == "distinct" and one.column == name
            for one in features.features
        ):
            column = category_column(name)
            rows = connection.execute(
                f"SELECT DISTINCT {column} FROM {EVENTS} WHERE {column} IS NOT NULL "
                f"LIMIT {MOST_WORDS + 1}"
            ).fetchall()
            if len(rows) <= MOST_WORDS:
                found[name] = tuple(sorted(row[0] for row in rows))
    return found


@dataclass(frozen=True)
class _Part:
    where: str
    moment: Moment | None
    share: float


def _parts(asked: Asked, by_moment: bool | None) -> list[_Part]:
    """One scan per moment where many customers share it, else one for all."""
    if by_moment is None:
        shared = asked.n_rows >= len(asked.moments) * asked.n_known * _SHARED
        by_moment = shared and len(asked.moments) <= MOST_MOMENTS
    if not by_moment:
        return [_Part("", None, 1.0)]
    return [
        _Part(f" WHERE as_of_us = {moment.as_of_us}", moment, n / max(1, asked.n_known))
        for moment, n in asked.moments.items()
    ]


def _shaped(batch: pa.RecordBatch, shape: pa.Schema) -> pa.RecordBatch:
    columns = [column.cast(field.type) for column, field in zip(batch.columns, shape, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=shape)


def _interruptible(
    connection: duckdb.DuckDBPyConnection, sql: str, cancel: Cancel
) -> Iterator[pa.RecordBatch]:
    """The rows of a query that stops within a moment of being told to."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if cancel.cancelled:
                connection.interrupt()
                return

    watcher = threading.Thread(target=watch, name="features-cancel", daemon=True)
    watcher.start()
    try:
        reader = connection.sql(sql).to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            cancel.check()
            yield batch
    except duckdb.InterruptException:
        cancel.check()
        raise Cancelled("stopped; what was there before is unchanged.") from None
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise BadValue(
            f"a figure is too large for a whole number of 64 bits: {error}",
            fix="Keep fewer decimals of the value in churnkit.toml, and import again.",
        ) from error
    finally:
        over.set()
        watcher.join()
