"""The project's DuckDB file: its tables, and how it is opened for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from churnkit.errors import DataEmpty, DataUnreadable

FORMAT = 1
TABLE = "customers"
META = "churnkit_meta"


@contextmanager
def opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that only reads.

    Raises
    ------
    DataEmpty : nothing was imported yet
    DataUnreadable : the file is damaged, or a later churnkit wrote it
    """
    if not database.exists():
        raise DataEmpty(
            "no customers were imported yet.",
            fix="Create a project with 'churnkit init DIR --data FILE', or import into this one "
            "with 'churnkit import FILE'.",
            file=database,
        )
    try:
        connection = duckdb.connect(str(database), read_only=True)
    except (duckdb.IOException, duckdb.SerializationException) as error:
        raise damaged(database) from error
    try:
        if meta(connection, database, "format") != str(FORMAT):
            raise DataUnreadable(
                "a later churnkit imported these customers.",
                fix="Update churnkit, or import the data again with 'churnkit import'.",
                file=database,
            )
        yield connection
    except (duckdb.CatalogException, duckdb.IOException) as error:
        raise damaged(database) from error
    finally:
        connection.close()


def meta(connection: duckdb.DuckDBPyConnection, database: Path, key: str) -> str:
    """An entry of the file's own description.

    Raises
    ------
    DataUnreadable : there is no such entry
    """
    rows = connection.execute(f"select value from {META} where key = ?", [key]).fetchall()
    if not rows:
        raise damaged(database)
    return str(rows[0][0])


def damaged(database: Path) -> DataUnreadable:
    """The error for a file that is not what churnkit wrote."""
    return DataUnreadable(
        "the imported customers cannot be read: the file is damaged.",
        fix="Import the data again with 'churnkit import FILE'.",
        file=database,
    )
