"""A table to be scored, streamed in the types that the model reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.infer import decimal_mark
from churnkit.data.sources import Source
from churnkit.data.typing_columns import model_column
from churnkit.domain.columns import ModelSchema
from churnkit.domain.progress import Cancel
from churnkit.errors import BadValue, ColumnMissing, did_you_mean


@dataclass(frozen=True, slots=True)
class TypedBatch:
    """Some customers.

    ``columns`` are keyed by input, in the schema's order: float64 for numbers and truth values,
    string for categories; missing is null.
    """

    first_row: int
    """Position of the first row in the source, from 0."""
    ids: pa.Array
    columns: dict[str, pa.Array]


def stream_typed(
    source: Source,
    schema: ModelSchema,
    *,
    batch_rows: int = 65_536,
    cancel: Cancel | None = None,
) -> Iterator[TypedBatch]:
    """Read a table in bounded memory, each column in the model's type.

    Nothing is guessed from the table but its decimal mark.

    Raises
    ------
    ColumnMissing : inputs or the id are not there; all of them are named
    BadValue : a value that its column cannot hold, or a customer without an id
    Cancelled : somebody asked to stop
    """
    names = source.columns()
    require_columns(names, schema, source.name)
    mark = ""
    first_row = 0
    for whole in source.batches(cancel):
        if not mark:
            numbers = [c.name for c in schema.inputs if c.kind == "number"]
            mark = decimal_mark(
                pa.chunked_array([whole.column(name)])
                for name in numbers
                if pa.types.is_string(whole.column(name).type)
            )
        for start in range(0, whole.num_rows, batch_rows):
            batch = whole.slice(start, batch_rows)
            if cancel is not None:
                cancel.check()
            offset = first_row + source.row_offset
            yield TypedBatch(
                first_row=first_row,
                ids=_ids(batch, schema.id_column, first_row, offset, source.name),
                columns={
                    column.name: model_column(
                        batch.column(column.name),
                        column,
                        mark=mark,
                        file=source.name,
                        row_offset=offset,
                    )
                    for column in schema.inputs
                },
            )
            first_row += batch.num_rows


def extra_columns(source: Source, schema: ModelSchema) -> tuple[str, ...]:
    """Columns that the model does not read; id and target do not count."""
    known = {*schema.names(), schema.id_column, schema.target}
    return tuple(name for name in source.columns() if name not in known)


def require_columns(names: tuple[str, ...], schema: ModelSchema, file: str) -> None:
    """Refuse a table that lacks columns.

    Raises
    ------
    ColumnMissing : inputs or the id are not there; all of them are named
    """
    wanted = [*([schema.id_column] if schema.id_column else []), *schema.names()]
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    spare = [name for name in names if name not in wanted]
    hints = [
        f"'{name}': {hint}"
        for name in missing[:5]
        if (hint := did_you_mean(name, spare) if spare else "").startswith("Did")
    ]
    shown = ", ".join(f"'{name}'" for name in missing[:20]) + (
        f" and {len(missing) - 20:,} more" if len(missing) > 20 else ""
    )
    one = len(missing) == 1
    raise ColumnMissing(
        f"the column {shown} is missing." if one else f"the columns {shown} are missing.",
        fix=" ".join(hints) or "Add them, under the names that the model learnt.",
        file=file,
        column=missing[0] if one else None,
    )


def _ids(batch: pa.RecordBatch, column: str, first_row: int, offset: int, file: str) -> pa.Array:
    if not column:
        numbers = range(first_row + 1, first_row + 1 + batch.num_rows)
        return pa.array(numbers, pa.int64()).cast(pa.string())
    values = batch.column(column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        whole = values.cast(pa.int64(), safe=False)
        if pc.all(pc.equal(whole.cast(pa.float64()), values)).as_py():
            values = whole
    ids = pc.utf8_trim_whitespace(values.cast(pa.string()))
    blank = pc.fill_null(pc.equal(ids, ""), True)
    if pc.any(blank).as_py():
        raise BadValue(
            "a customer has no id.",
            fix="Fill in the id, or leave the row out.",
            file=file,
            row=pc.index(blank, True).as_py() + offset,
            column=column,
        )
    return ids
