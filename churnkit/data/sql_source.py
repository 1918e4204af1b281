"""The result of a query on any database that SQLAlchemy reaches."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from churnkit.data.names import checked_names
from churnkit.data.raw_bytes import text_of
from churnkit.data.source_url import filled, parsed_url
from churnkit.domain.progress import Cancel
from churnkit.errors import DataEmpty, DataUnreadable, MissingDependency, StorageUnreachable

_BATCH_ROWS = 20_000


class SqlSource:
    """A query.

    Parameters
    ----------
    url, query : what is asked of which database
    mixed : whether a column may hold values of several types, which are then text where they
        meet, and numbers may be decimals; otherwise the first rows decide

    Raises
    ------
    DataUnreadable : no query, the database refuses it, or a ``${NAME}`` is not set
    StorageUnreachable : the database does not answer
    """

    row_offset = 1

    def __init__(self, url: str, query: str, *, mixed: bool = False) -> None:
        written = parsed_url(url)
        # The part after "?" may hold a password too.
        self.name = written.set(query={}).render_as_string(hide_password=True)
        self._url = filled(written)
        if not query.strip():
            raise DataUnreadable(
                "a database needs a query.", fix="Give one with --query.", source=self.name
            )
        file = self._url.database or ""
        is_file = self._url.get_backend_name() == "sqlite" and file not in ("", ":memory:")
        if is_file and not file.startswith("file:") and not Path(file).exists():
            # SQLite would create it.
            raise DataUnreadable(
                "there is no such database file.", fix="Check the path.", source=self.name
            )
        self._query = query
        self._mixed = mixed
        self._names: tuple[str, ...] = ()

    def columns(self) -> tuple[str, ...]:
        """The columns of the query's result."""
        if not self._names:
            next(self.batches())
        return self._names

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, in the query's order."""
        try:
            engine = sa.create_engine(self._url, poolclass=sa.NullPool)
        except (sa.exc.NoSuchModuleError, ImportError) as error:
            raise MissingDependency(
                f"there is no driver for {self._url.drivername}.",
                fix="Install the database's Python driver.",
                source=self.name,
            ) from error
        try:
            with engine.connect() as connection:
                yield from self._rows(connection, cancel)
        except sa.exc.OperationalError as error:
            raise self._refused(error) from error
        except sa.exc.DBAPIError as error:
            raise DataUnreadable(
                f"the database refuses the query: {self._first_line(error)}",
                fix="Try the query in the database's own shell.",
                source=self.name,
            ) from error
        finally:
            engine.dispose()

    def _rows(self, connection: sa.Connection, cancel: Cancel | None) -> Iterator[pa.RecordBatch]:
        result = connection.execution_options(stream_results=True).execute(sa.text(self._query))
        if not result.returns_rows:
            raise DataUnreadable(
                "the query returns no rows.", fix="Write a SELECT.", source=self.name
            )
        self._names = checked_names(list(result.keys()), file=self.name)
        schema: pa.Schema | None = None
        n_rows = 0
        while chunk := result.fetchmany(_BATCH_ROWS):
            if cancel is not None:
                cancel.check()
            columns = list(zip(*chunk, strict=True))
            if self._mixed:
                arrays = [_any_array([_exact(value) for value in column]) for column in columns]
                batch = pa.RecordBatch.from_arrays(arrays, names=list(self._names))
                schema = batch.schema
            else:
                arrays = [
                    self._array([_plain(value) for value in column], i, schema, n_rows)
                    for i, column in enumerate(columns)
                ]
                batch = pa.RecordBatch.from_arrays(arrays, names=list(self._names))
            if schema is None:
                # Later rows may have a value where the first ones had none.
                schema = pa.schema(
                    [
                        field.with_type(pa.string()) if pa.types.is_null(field.type) else field
                        for field in batch.schema
                    ]
                )
                batch = batch.cast(schema)
            n_rows += batch.num_rows
            yield batch
        if schema is None:
            raise DataEmpty(
                "the query returns no customers.", fix="Check its conditions.", source=self.name
            )

    def _array(
        self, values: list[object], position: int, schema: pa.Schema | None, n_before: int
    ) -> pa.Array:
        """Values of one column, of the type that the first batch had."""
        kind = None if schema is None else schema.field(position).type
        # Arrow would cut off the decimals of a number among whole ones.
        cut = kind is not None and pa.types.is_integer(kind)
        try:
            if not (cut and any(isinstance(value, float) for value in values)):
                return pa.array(values, kind)
        except (pa.ArrowException, OverflowError):
            pass
        known = kind or _type_of(next(value for value in values if value is not None))
        row = next(
            (i for i, value in enumerate(values) if value is not None and not _fits(value, known)),
            0,
        )
        raise DataUnreadable(
            f"a column holds values of several types: {values[row]!r} is no {known}.",
            fix="Cast it in the query.",
            source=self.name,
            row=n_before + row + self.row_offset,
            column=self._names[position],
        )

    def _first_line(self, error: sa.exc.DBAPIError) -> str:
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        secrets = [self._url.password, *map(str, self._url.query.values())]
        for secret in filter(None, secrets):
            lines[0] = lines[0].replace(str(secret), "***")
        return lines[0]

    def _refused(self, error: sa.exc.OperationalError) -> DataUnreadable | StorageUnreachable:
        text = self._first_line(error)
        if "no such table" in text or "syntax" in text or "no such column" in text:
            return DataUnreadable(
                f"the database refuses the query: {text}", fix="Mend the query.", source=self.name
            )
        return StorageUnreachable(
            f"the database does not answer: {text}",
            fix="Check the address, the network and the password.",
            source=self.name,
        )


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else _exact(value)


def _exact(value: object) -> object:
    if isinstance(value, Decimal) and not value.is_finite():
        return float(value)
    if isinstance(value, bytes | memoryview):
        return text_of(bytes(value))
    return str(value) if value.__class__.__name__ == "UUID" else value


def _any_array(values: list[object]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        # Numbers of several kinds, or numbers among texts.
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _type_of(value: object) -> pa.DataType:
    try:
        return pa.array([value]).type
    except (pa.ArrowException, OverflowError):
        return pa.string()


def _fits(value: object, kind: pa.DataType) -> bool:
    if isinstance(value, float) and pa.types.is_integer(kind):
        return False
    try:
        pa.array([value], kind)
    except (pa.ArrowException, OverflowError):
        return False
    return True
