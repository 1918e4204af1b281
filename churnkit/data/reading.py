"""Read what was imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.importing import META, TABLE
from churnkit.data.infer import INSTANT
from churnkit.data.names import ROW
from churnkit.domain.columns import TableSchema
from churnkit.errors import ColumnMissing, DataEmpty, DataUnreadable, DuplicateIds, UnknownCustomer


def read_schema(database: Path) -> TableSchema:
    """The columns of the imported table and its fingerprint.

    Raises
    ------
    DataEmpty : nothing was imported yet
    DataUnreadable : the file is damaged
    """
    with _opened(database) as connection:
        row = connection.execute(f"select value from {META} where key = 'schema'").fetchone()
    if row is None:
        raise _damaged(database)
    return TableSchema.model_validate_json(row[0])


def read_arrow(database: Path) -> pa.Table:
    """All customers, in the file's order.

    Categories are ``string``, numbers ``int64`` or ``float64``, truth values ``bool``, times
    ``timestamp[us, UTC]``; missing is null.

    Raises
    ------
    DataEmpty : nothing was imported yet
    """
    with _opened(database) as connection:
        table = connection.sql(
            f"select * exclude ({ROW}) from {TABLE} order by {ROW}"
        ).to_arrow_table()
    return _ours(table)


def find_customer(database: Path, id_column: str, customer_id: str) -> dict[str, object]:
    """The raw columns of one customer.

    Parameters
    ----------
    id_column : empty: the customer's id is the row's number, from 1
    customer_id : compared as text

    Raises
    ------
    UnknownCustomer : no row has this id
    DuplicateIds : several rows have it
    ColumnMissing : the table has no such id column
    """
    with _opened(database) as connection:
        if not id_column:
            condition, value = f"cast({ROW} + 1 as varchar) = ?", customer_id.strip()
        else:
            schema = connection.execute(f"select * exclude ({ROW}) from {TABLE} limit 0")
            if id_column not in {column[0] for column in schema.description or ()}:
                raise ColumnMissing(
                    f"the imported table has no column '{id_column}'.",
                    fix="Set columns.id in churnkit.toml to the column that names the customer.",
                    column=id_column,
                )
            quoted = '"' + id_column.replace('"', '""') + '"'
            condition = (
                f"cast({quoted} as varchar) = ? or cast(try_cast({quoted} as bigint) as varchar)"
                f" = ?"
            )
            value = customer_id
        rows = connection.sql(
            f"select * exclude ({ROW}) from {TABLE} where {condition} order by {ROW} limit 2",
            params=[value] * condition.count("?"),
        ).to_arrow_table()
    found = _ours(rows).to_pylist()
    if not found:
        raise UnknownCustomer(
            f"there is no customer '{customer_id}'.",
            fix="Give an id as it stands in the imported table"
            + (f" (column '{id_column}')." if id_column else " (the row's number, from 1)."),
            customer=customer_id,
        )
    if len(found) > 1:
        raise DuplicateIds(
            f"several rows have the id '{customer_id}'.",
            fix="Leave one row per customer in the data, or score a file with the row you mean.",
            customer=customer_id,
            column=id_column,
        )
    return dict(found[0])


@contextmanager
def _opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    if not database.exists():
        raise DataEmpty(
            "no customers were imported yet.",
            fix="Import them with 'churnkit import FILE'.",
            file=database,
        )
    try:
        connection = duckdb.connect(str(database), read_only=True)
    except (duckdb.IOException, duckdb.SerializationException) as error:
        raise _damaged(database) from error
    try:
        yield connection
    except duckdb.CatalogException as error:
        raise _damaged(database) from error
    finally:
        connection.close()


def _damaged(database: Path) -> DataUnreadable:
    return DataUnreadable(
        "the imported customers cannot be read: the file is damaged.",
        fix="Import the data again with 'churnkit import'.",
        file=database,
    )


def _ours(table: pa.Table) -> pa.Table:
    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_timestamp(kind):
            moments = column.cast(pa.timestamp("us"))
            column = pc.assume_timezone(moments, "UTC").cast(INSTANT)
        elif (
            pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_string_view(kind)
            or pa.types.is_null(kind)
        ):
            column = column.cast(pa.string())
        columns.append(column)
    return pa.table(columns, names=table.column_names)
