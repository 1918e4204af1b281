"""A name for a table's content that does not depend on the file it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.domain.columns import TableColumn

_NO_TIME = np.iinfo(np.int64).min


def table_fingerprint(table: pa.Table, columns: Sequence[TableColumn]) -> str:
    """SHA-256 (hex) over names, kinds and typed values, column by column.

    Numbers count as float64, so that ``1`` in a CSV and ``1.0`` in Parquet are the same; all
    not-a-numbers and nulls are one missing value, and -0.0 is 0.0.
    """
    digest = hashlib.sha256()
    head = [[column.name, column.kind] for column in columns]
    digest.update(json.dumps([table.num_rows, head]).encode())
    for column in columns:
        values = table.column(column.name)
        if column.kind == "category":
            lengths = pc.fill_null(pc.binary_length(values), -1)
            digest.update(lengths.to_numpy().astype("<i4").tobytes())
            for chunk in pc.fill_null(values, "").chunks:
                packed = pa.concat_arrays([chunk])  # without an offset into a larger buffer
                offsets = np.frombuffer(packed.buffers()[1], "<i4")[
                    packed.offset : packed.offset + len(packed) + 1
                ]
                data = packed.buffers()[2]
                if data is not None and len(offsets):
                    digest.update(memoryview(data)[int(offsets[0]) : int(offsets[-1])])
        elif column.kind == "time":
            moments = pc.fill_null(values.cast(pa.int64()), int(_NO_TIME))
            digest.update(moments.to_numpy().astype("<i8").tobytes())
        else:
            numbers = values.cast(pa.float64()) if column.kind == "number" else values.cast("int8")
            plain = pc.fill_null(numbers.cast(pa.float64()), float("nan")).to_numpy() + 0.0
            digest.update(np.where(np.isnan(plain), np.nan, plain).astype("<f8").tobytes())
    return digest.hexdigest()
