"""Rows of plain data as the columns that batches are scored from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from churnkit.domain.predictions import FieldFault
from churnkit.errors import BadValue, ColumnMissing
from churnkit.inference.encoder import RowEncoder, is_missing

Row = Mapping[str, object]


def typed_columns(
    encoder: RowEncoder, rows: Sequence[Row]
) -> tuple[dict[str, pa.Array], dict[int, FieldFault]]:
    """Rows by the rules of single predictions, as columns of a ``TypedBatch``.

    Returns
    -------
    columns : of the rows that can be read, in their order
    faults : by a row's place, the first thing that is wrong with it
    """
    faults: dict[int, FieldFault] = {}
    try:
        X = encoder.encode_rows(rows)
        troubled = any(encoder.strange(row) for row in rows)
    except (BadValue, ColumnMissing):
        troubled = True
    if troubled:
        faults = {i: found[0] for i, row in enumerate(rows) if (found := encoder.faults(row))}
        rows = [row for i, row in enumerate(rows) if i not in faults]
        X = encoder.encode_rows(rows)
    columns: dict[str, pa.Array] = {}
    for j, column in enumerate(encoder.schema.inputs):
        if column.kind == "category":
            words = [_word(row[column.name]) for row in rows]
            columns[column.name] = pa.array(words, pa.string())
        else:
            columns[column.name] = pa.array(X[:, j], pa.float64(), from_pandas=True)
    return columns, faults


def _word(value: object) -> str | None:
    return None if is_missing(value) else str(value)
