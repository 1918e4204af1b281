"""Read what was imported."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.database import TABLE, meta, opened
from churnkit.data.infer import INSTANT
from churnkit.data.names import ROW
from churnkit.domain.columns import TableSchema
from churnkit.errors import ColumnMissing, DuplicateIds, UnknownCustomer, did_you_mean


def read_schema(database: Path) -> TableSchema:
    """The columns of the imported table and its fingerprint.

    Raises
    ------
    DataEmpty : nothing was imported yet
    DataUnreadable : the file is damaged
    """
    with opened(database) as connection:
        return TableSchema.model_validate_json(meta(connection, database, "schema"))


def read_arrow(database: Path) -> pa.Table:
    """All customers, in the file's order.

    Categories are ``string``, numbers ``int64`` or ``float64``, truth values ``bool``, times
    ``timestamp[us, UTC]``; missing is null.

    Raises
    ------
    DataEmpty : nothing was imported yet
    DataUnreadable : the file is damaged
    """
    with opened(database) as connection:
        table = connection.sql(
            f"select * exclude ({ROW}) from {TABLE} order by {ROW}"
        ).to_arrow_table()
    return _ours(table)


def find_customer(database: Path, id_column: str, customer_id: str) -> dict[str, object]:
    """The raw columns of one customer.

    Parameters
    ----------
    id_column : empty: the customer's id is the row's number, from 1
    customer_id : compared as text, without blanks around it; "7" is the number 7

    Raises
    ------
    UnknownCustomer : no row has this id
    DuplicateIds : several rows have it
    ColumnMissing : the table has no such id column
    """
    wanted = customer_id.strip()
    with opened(database) as connection:
        if not id_column:
            condition = f"cast({ROW} + 1 as varchar) = ?"
        else:
            head = connection.sql(f"select * exclude ({ROW}) from {TABLE} limit 0")
            kinds = dict(zip(head.columns, map(str, head.types), strict=True))
            if id_column not in kinds:
                raise ColumnMissing(
                    f"the imported table has no column '{id_column}'.",
                    fix="Set columns.id in churnkit.toml to the column that names the customer. "
                    + did_you_mean(id_column, kinds),
                    column=id_column,
                )
            quoted = '"' + id_column.replace('"', '""') + '"'
            if kinds[id_column] == "DOUBLE":  # 7.0 is customer 7, and 7.5 is not
                text = (
                    f"case when {quoted} = floor({quoted}) and abs({quoted}) < 1e15 "
                    f"then cast(cast({quoted} as bigint) as varchar) "
                    f"else cast({quoted} as varchar) end"
                )
            else:
                text = f"cast({quoted} as varchar)"
            condition = f"trim({text}) = ?"
        rows = connection.sql(
            f"select * exclude ({ROW}) from {TABLE} where {condition} order by {ROW} limit 2",
            params=[wanted],
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
