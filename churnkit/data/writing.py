"""Write a table as CSV or Parquet: the file appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from churnkit.errors import DataEmpty, DataUnreadable
from churnkit.files import storage_errors


class Writer:
    """Takes batches; the first one decides the columns."""

    def __init__(self, path: Path, ending: str) -> None:
        self._path = path
        self._ending = ending
        self._file: csv.CSVWriter | parquet.ParquetWriter | None = None

    @property
    def empty(self) -> bool:
        """Whether no batch came yet."""
        return self._file is None

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Add rows."""
        if self._file is None:
            if self._ending == ".csv":
                self._file = csv.CSVWriter(
                    self._path, batch.schema, write_options=csv.WriteOptions(quoting_style="needed")
                )
            else:
                self._file = parquet.ParquetWriter(self._path, batch.schema, compression="zstd")
        self._file.write(batch)

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def open_writer(path: Path, *, overwrite: bool = True) -> Iterator[Writer]:
    """Write into a temporary file beside ``path`` that takes its place at the end.

    Parameters
    ----------
    overwrite : replace an earlier file

    Raises
    ------
    DataEmpty : nothing was written
    DataUnreadable : there is a file that may not be replaced, or the ending is neither .csv nor
        .parquet
    DiskFull, FolderReadOnly : the file cannot be written; an earlier one is unchanged
    """
    ending = path.suffix.lower()
    if ending not in (".csv", ".parquet"):
        raise DataUnreadable(
            f"churnkit does not write '{ending or path.name}' files.",
            fix="Name the output .csv or .parquet.",
            file=path,
        )
    if path.exists() and not overwrite:
        raise DataUnreadable("the file is there already.", fix="Choose another name.", file=path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        temporary.chmod(0o644)
        writer = Writer(temporary, ending)
        try:
            yield writer
            if writer.empty:
                raise DataEmpty("there is nothing to write.", fix="Give some rows.", file=path)
            writer.close()
            temporary.replace(path)
        except BaseException:
            with suppress(OSError, pa.ArrowException):  # the first error is the one to tell
                writer.close()
            temporary.unlink(missing_ok=True)
            raise
