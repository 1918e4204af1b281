"""Features for many customers and moments, from DuckDB, as a stream in bounded memory."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa

from churnkit.data.event_tables import EVENTS, category_column
from churnkit.domain.events import LogSchema
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import BadValue, Cancelled, DiskFull, TooLittleMemory
from churnkit.features.array_plan import GIVEN, GivenFigures, figure_tables
from churnkit.features.compile import REQUESTS, ColumnKind, Statement, compile_features
from churnkit.features.definitions import EventFeature, FeatureSet
from churnkit.features.event_reader import EventReader
from churnkit.features.requests import ASKED, ASKED_CUSTOMERS, Asked
from churnkit.features.words import MOST_WORDS
from churnkit.features.zone_days import days_go_back

BATCH_ROWS = 65_536
EVENT_ROWS = 500_000
ARROW: dict[ColumnKind, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "category": pa.string(),
}
AS_OF = pa.timestamp("us", tz="UTC")
Plan = Literal["statement", "arrays"]
_SHARED = 0.2
"""Arrays hold every customer at every moment: so much of that must be asked for."""
_MANY = 2_000
"""Fewer rows are not worth the trouble."""
_WIDE = 100
"""So many figures take longer to plan than to compute for a few rows."""
_MOST_MOMENTS = 400
_ERRORS: dict[str, type[duckdb.Error]] = {
    "INTERRUPT": duckdb.InterruptException,
    "Out of Memory": duckdb.OutOfMemoryException,
    "Conversion": duckdb.ConversionException,
    "Out of Range": duckdb.OutOfRangeException,
    "IO Error": duckdb.IOException,
}
"""How Arrow's errors begin that were DuckDB's."""
_MEMORY = 4_000_000_000
_ARRAYS, _DATABASE = 0.3, 0.3
"""Shares of the allowed memory; the rest is for the program itself and what is being made."""


def arrow_schema(columns: dict[str, ColumnKind]) -> pa.Schema:
    """The columns of a stream of features: customer_id, as_of, and the features."""
    listed = [pa.field("customer_id", pa.string()), pa.field("as_of", AS_OF)]
    return pa.schema(listed + [pa.field(name, ARROW[kind]) for name, kind in columns.items()])


@contextmanager
def memory_within(
    connection: duckdb.DuckDBPyConnection, limit_bytes: int | None, beside: Path
) -> Iterator[None]:
    """Let a build use at most so much memory, and put the rest into a folder that goes away.

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
            share = int(limit_bytes * _DATABASE)
            connection.execute("SET memory_limit = ?", [f"{share}B"])
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
    plan: Plan | None = None,
    memory_bytes: int | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[pa.RecordBatch]:
    """Compute the features of all requests.

    Parameters
    ----------
    features : a set that was checked against the log
    asked : what ``ask`` has put into the connection's temporary tables
    plan : how to; None: whichever is quicker
    memory_bytes : what ``memory_within`` was told

    Yields
    ------
    batch : ``customer_id``, ``as_of`` (timestamp[us, UTC]), then the features; each request once,
        in no order
    """
    cancel = cancel or Cancel()
    connection.execute("SET enable_progress_bar = false")  # ours is shown, where one is wanted
    words = few_words(connection, features, schema)
    request = _Request(connection, features, schema, asked, words, cancel)
    if (plan or choose_plan(features, schema, asked)) == "arrays":
        batches = request.by_arrays(memory_bytes or _MEMORY)
    else:
        batches = request.by_statement()
    done = 0
    for batch in batches:
        done += batch.num_rows
        progress(Step("building features", done / asked.n_rows, f"{done:,} rows"))
        yield batch


def choose_plan(features: FeatureSet, schema: LogSchema, asked: Asked) -> Plan:
    """Arrays for many customers who share their moments, else one statement.

    Both give the same rows.
    """
    moments = list(asked.moments)
    shared = asked.n_rows >= _SHARED * len(moments) * (asked.n_customers + asked.n_unknown)
    if asked.n_rows < _MANY or not shared or len(moments) > _MOST_MOMENTS:
        return "statement"
    if schema.first_us is not None and days_go_back(
        schema.zone, schema.first_us, moments[-1].as_of_us
    ):
        return "statement"
    any_of_events = any(isinstance(one, EventFeature) for one in features.features)
    return "arrays" if any_of_events else "statement"


@dataclass(frozen=True)
class _Request:
    connection: duckdb.DuckDBPyConnection
    features: FeatureSet
    schema: LogSchema
    asked: Asked
    words: Mapping[str, Sequence[str]]
    cancel: Cancel

    def by_arrays(self, memory_bytes: int) -> Iterator[pa.RecordBatch]:
        """Event features from arrays, all others from the statement."""
        reader = EventReader(
            self.connection,
            self.schema,
            list(self.asked.moments),
            self.words,
        )
        names = reader.names
        wanted = [one for one in self.features.features if isinstance(one, EventFeature)]
        self.connection.execute("SET preserve_insertion_order = true")  # spares sorting by time
        ((threads,),) = self.connection.execute("SELECT current_setting('threads')").fetchall()
        for found in figure_tables(
            reader,
            wanted,
            read=lambda sql: _interruptible(self.connection, sql, self.cancel, EVENT_ROWS),
            memory_bytes=int(memory_bytes * _ARRAYS),
            threads=threads,
            cancel=self.cancel,
        ):
            self.connection.register(GIVEN, found.table)
            try:
                where = f" WHERE customer_no >= {found.low} AND customer_no < {found.high}"
                statement = self._statement(where, GivenFigures())
                for batch in _interruptible(self.connection, statement.sql, self.cancel):
                    places = np.searchsorted(reader.customers, batch.column(0).to_numpy())
                    # A join by SQL would cost more, and DuckDB minutes to plan it for wide sets.
                    ids = names.take(pa.array(places))
                    yield _shaped([ids, *batch.columns[1:]], statement)
            finally:
                self.connection.unregister(GIVEN)
        if self.asked.n_unknown:
            yield from self.by_statement(" WHERE customer_no < 0")

    def by_statement(self, where: str = "") -> Iterator[pa.RecordBatch]:
        """All features of those requests that meet the condition."""
        statement = self._statement(where, None)
        sql = (
            f"SELECT q.customer_id, f.* EXCLUDE (customer_no) FROM ({statement.sql}) f "
            f"JOIN {ASKED_CUSTOMERS} q ON q.customer_no = f.customer_no"
        )
        batches: Iterable[pa.RecordBatch] = _interruptible(self.connection, sql, self.cancel)
        if self.asked.n_rows < _MANY and len(statement.columns) >= _WIDE:
            with _planned_at_once(self.connection):
                batches = list(batches)
        for batch in batches:
            yield _shaped(batch.columns, statement)

    def _statement(self, where: str, given: GivenFigures | None) -> Statement:
        self.cancel.check()
        source = ASKED
        if where:
            # The same condition in the statement itself would make the planner slow.
            source = "feature_requests_here"
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {source} AS "
                f"SELECT customer_no, as_of_us, as_of_day FROM {ASKED}{where}"
            )
        self.connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {REQUESTS} AS SELECT customer_no, as_of_us, as_of_day "
            f"FROM {source}"
        )
        return compile_features(
            self.features,
            self.schema,
            words=self.words,
            repeated=False,  # ASKED holds each pair once
            given=given,
        )


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


@contextmanager
def _planned_at_once(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Spare the planner of a query inside what a few rows never earn back.

    For 300 figures the search for common parts can take ten seconds, where all else takes one.
    """
    connection.execute("SET disabled_optimizers = 'common_subexpressions'")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # a query that was cancelled may not be over
            connection.execute("RESET disabled_optimizers")


def _shaped(columns: Sequence[pa.Array], statement: Statement) -> pa.RecordBatch:
    """What a statement gave for customer_id, as_of and the features, in the types they have."""
    shape = arrow_schema(dict(statement.columns))
    cast = [column.cast(field.type) for column, field in zip(columns, shape, strict=True)]
    return pa.RecordBatch.from_arrays(cast, schema=shape)


def _interruptible(
    connection: duckdb.DuckDBPyConnection, sql: str, cancel: Cancel, rows: int = BATCH_ROWS
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
        for batch in _as_duckdb(connection.sql(sql).to_arrow_reader(rows)):
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


def _as_duckdb(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches; what fails after the first of them fails with DuckDB's own errors, too."""
    try:
        yield from reader
    except OSError as error:
        for start, kind in _ERRORS.items():
            if str(error).startswith(start):
                raise kind(str(error)) from error
        raise
