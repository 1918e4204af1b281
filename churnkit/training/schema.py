"""What a model reads, learnt on the training rows only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import as_array
from churnkit.domain.columns import ModelInput, ModelSchema
from churnkit.errors import BadValue, ColumnMissing, did_you_mean
from churnkit.settings.sources import ColumnsTable

MIN_COUNT = 5
"""A category that fewer training rows have is rare: the model does not tell it from missing."""
MAX_CATEGORIES = 200


def fit_schema(
    table: pa.Table,
    used_columns: Sequence[str],
    train_rows: npt.NDArray[np.int64],
    columns: ColumnsTable,
) -> ModelSchema:
    """The inputs of a model: numbers and booleans first, then categories.

    A column that says nothing on the training rows (no value, or only rare categories) is left
    out; ``silent_columns`` names these.

    Parameters
    ----------
    used_columns : the raw columns that the model may read
    train_rows : shape (n_train,), positions in the table

    Raises
    ------
    ColumnMissing : a used column is not in the table
    BadValue : a used column holds dates
    """
    rows = pa.array(train_rows)
    numbers: list[ModelInput] = []
    categories: list[ModelInput] = []
    for name in used_columns:
        if name not in table.column_names:
            raise ColumnMissing(
                f"the table has no column '{name}'.",
                fix=did_you_mean(name, table.column_names),
                column=name,
            )
        values = as_array(table.column(name)).take(rows)
        if pa.types.is_boolean(values.type):
            if values.null_count < len(values):
                numbers.append(ModelInput(name=name, kind="boolean"))
        elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            known = values.cast(pa.float64()).drop_null().to_numpy()
            known = known[np.isfinite(known)]
            if len(known):
                low, high = float(known.min()), float(known.max())
                numbers.append(ModelInput(name=name, kind="number", low=low, high=high))
        elif pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            learnt = _categories(values)
            if learnt:
                categories.append(ModelInput(name=name, kind="category", categories=learnt))
        else:
            raise BadValue(
                f"a model cannot read a column of type {values.type}.",
                fix="Name it in columns.ignore of churnkit.toml.",
                column=name,
            )
    return ModelSchema(
        inputs=(*numbers, *categories),
        id_column=columns.id,
        target=columns.target,
        positive=columns.positive,
    )


def silent_columns(schema: ModelSchema, used_columns: Sequence[str]) -> dict[str, str]:
    """The used columns that the schema has no input for, each with the reason."""
    known = set(schema.names())
    reason = f"on the training rows it has no value that at least {MIN_COUNT} customers share"
    return {name: reason for name in used_columns if name not in known}


def _categories(values: pa.Array) -> tuple[str, ...]:
    """The frequent values, sorted; of more than ``MAX_CATEGORIES``, the most frequent."""
    pairs = pc.value_counts(values.drop_null()).to_pylist()
    counted = [(pair["counts"], pair["values"]) for pair in pairs if pair["counts"] >= MIN_COUNT]
    counted.sort(key=lambda pair: (-pair[0], pair[1]))
    return tuple(sorted(value for _, value in counted[:MAX_CATEGORIES]))
