"""Tables in memory, read the way files are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from churnkit.data.scoring_input import TypedBatch, stream_typed
from churnkit.domain.columns import ModelSchema
from churnkit.domain.progress import Cancel
from churnkit.errors import DataUnreadable


class TableSource:
    """An arrow table as a source of customers."""

    row_offset = 1

    def __init__(self, table: pa.Table, name: str = "the table") -> None:
        self.table = table
        self.name = name

    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self.table.column_names)

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, in order."""
        for batch in self.table.to_batches():
            if cancel is not None:
                cancel.check()
            yield batch


def as_arrow(rows: Any) -> pa.Table:
    """A pandas frame, an arrow table, a dict or a list of dicts as an arrow table.

    Raises
    ------
    DataUnreadable : none of these, or its values do not fit into columns
    """
    try:
        if isinstance(rows, pa.Table):
            return rows
        if isinstance(rows, Mapping):
            return pa.Table.from_pylist([dict(rows)])
        if isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
            return pa.Table.from_pylist([dict(row) for row in rows])
        if hasattr(rows, "columns") and hasattr(rows, "iloc"):
            return pa.Table.from_pandas(rows, preserve_index=False)
    except pa.ArrowException as error:
        raise DataUnreadable(
            f"the rows do not fit into columns: {error}.",
            fix="Give each column values of one type.",
        ) from error
    raise DataUnreadable(
        f"{type(rows).__name__} is no table of customers.",
        fix="Give a file, a pandas DataFrame, an arrow table, or a list of dicts.",
    )


def typed(table: pa.Table, schema: ModelSchema) -> dict[str, pa.ChunkedArray]:
    """The model's inputs from a table, in the model's types; ids are not needed."""
    nameless = schema.model_copy(update={"id_column": ""})
    batches: list[TypedBatch] = list(stream_typed(TableSource(table), nameless))
    return {
        name: pa.chunked_array([batch.columns[name] for batch in batches])
        for name in schema.names()
    }
