"""Typed tables by hand, as the importer would make them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from churnkit.data.samples.locate import telco_path
from churnkit.domain.columns import TableColumn, TableSchema
from churnkit.settings.sources import ColumnsTable

TELCO = ColumnsTable(target="Churn", positive="Yes", id="customerID")


def schema_of(table: pa.Table) -> TableSchema:
    """The schema that follows from the arrow types."""
    return TableSchema(
        columns=tuple(
            TableColumn(name=field.name, kind=_kind(field.type)) for field in table.schema
        ),
        n_rows=table.num_rows,
        fingerprint="0" * 64,
    )


def read_table(path: Path) -> pa.Table:
    """A CSV with pyarrow's own types."""
    return pyarrow.csv.read_csv(path)


def telco() -> pa.Table:
    """The shipped sample; blank TotalCharges are missing numbers."""
    table = read_table(telco_path())
    at = table.column_names.index("TotalCharges")
    column = table.column("TotalCharges")
    if pa.types.is_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        blank = pc.equal(trimmed, "")
        column = pc.if_else(blank, pa.scalar(None, pa.string()), trimmed).cast(pa.float64())
    return table.set_column(at, "TotalCharges", column)


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_temporal(kind):
        return "time"
    return "category" if pa.types.is_string(kind) else "number"
