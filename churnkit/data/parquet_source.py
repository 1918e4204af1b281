"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from churnkit.data.names import checked_names
from churnkit.data.raw_bytes import readable
from churnkit.domain.progress import Cancel
from churnkit.errors import DataEmpty, DataUnreadable

_BATCH_ROWS = 65_536


class ParquetSource:
    """A Parquet file.

    Raises
    ------
    DataUnreadable : it is cut off, or no Parquet file
    DataEmpty : it has no rows
    """

    row_offset = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        try:
            with parquet.ParquetFile(path) as file:
                raw = file.schema_arrow.names
                n_rows = file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error
        self._names = checked_names(raw, file=path)
        if n_rows == 0:
            raise DataEmpty("the file has no rows.", fix="Choose one with customers.", file=path)

    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return self._names

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, with the file's own types."""
        try:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                    if cancel is not None:
                        cancel.check()
                    columns = [readable(column) for column in batch.columns]
                    yield pa.RecordBatch.from_arrays(columns, names=list(self._names))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


def _unreadable(path: Path, error: Exception) -> DataUnreadable:
    return DataUnreadable(
        f"this is no whole Parquet file: {str(error).splitlines()[0]}",
        fix="It may have been cut off on its way: copy or export it again.",
        file=path,
    )
