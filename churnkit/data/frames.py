"""Customers as the frame that scikit-learn's pipelines read; the only module with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.typing_columns import model_column
from churnkit.domain.columns import ModelSchema
from churnkit.errors import ColumnMissing, did_you_mean


def model_frame(table: pa.Table, schema: ModelSchema) -> pd.DataFrame:
    """The inputs of a model, shape (n_rows, n_inputs), in the order of its vector.

    Numbers and truth values are float64, categories ``str``; missing is NaN.

    Raises
    ------
    ColumnMissing : an input is not there
    BadValue : a value that its column cannot hold
    """
    columns: dict[str, object] = {}
    for column in schema.inputs:
        if column.name not in table.column_names:
            raise ColumnMissing(
                f"the column '{column.name}' is missing.",
                fix=did_you_mean(column.name, table.column_names),
                column=column.name,
            )
        raw = table.column(column.name)
        raw = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
        typed = model_column(raw, column, mark=".", file=None, row_offset=1)
        if column.kind == "category":
            texts = np.asarray(typed.to_numpy(zero_copy_only=False), dtype=object)
            columns[column.name] = pd.array(texts, dtype="str")
        else:
            columns[column.name] = pc.fill_null(typed, np.nan).to_numpy(zero_copy_only=False)
    return pd.DataFrame(columns, columns=list(schema.names()))
