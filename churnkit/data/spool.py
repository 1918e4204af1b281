"""Record batches that wait on the disk: memory stays bounded, and nobody else has to wait."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa

from churnkit.files import storage_errors


class Spool:
    """Takes batches, and gives them back in order once they are all there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch; all have the columns of the first."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._file, batch.schema)
        self._writer.write_batch(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All batches; none can be added afterwards."""
        if self._writer is None:
            return
        self._writer.close()
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)


@contextmanager
def open_spool(folder: Path) -> Iterator[Spool]:
    """A spool in a file without a name in this folder; it goes with the process, however it ends.

    Raises
    ------
    DiskFull, FolderReadOnly : the file cannot be written
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            yield Spool(file)
