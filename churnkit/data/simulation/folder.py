"""A folder of Parquet files that appears whole or not at all, written in bounded memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from churnkit.errors import FolderNotEmpty
from churnkit.files import storage_errors

ROWS_PER_GROUP = 500_000
ROWS_PER_PART = 10_000_000


class TableFile:
    """A Parquet file, or several parts of one, that takes tables of one schema."""

    def __init__(self, path: Path, schema: pa.Schema, *, parts: bool = False) -> None:
        self._path = path
        self._schema = schema
        self._parts = parts
        self._n_parts = 0
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._n_part = 0
        self._file: parquet.ParquetWriter | None = None
        self.taken = 0
        """Rows so far."""

    def add(self, table: pa.Table) -> None:
        """Take rows; they are written when there are enough of them."""
        if table.num_rows:
            self._waiting.append(table)
            self._n_waiting += table.num_rows
            self.taken += table.num_rows
        if self._n_waiting >= ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting, self._n_waiting = [], 0
        self._open().write_table(table, row_group_size=2 * ROWS_PER_GROUP)
        self._n_part += table.num_rows
        if self._parts and self._n_part >= ROWS_PER_PART:
            self._finish()

    def close(self) -> None:
        """Finish; a table without rows becomes a file without rows."""
        self.flush()
        if self._file is not None or self._n_parts == 0:
            self._open()
            self._finish()

    def abandon(self) -> None:
        """Let the file go, whatever state it is in."""
        if self._file is not None:
            with suppress(OSError, pa.ArrowException):  # the first error is the one to tell
                self._file.close()

    def _open(self) -> parquet.ParquetWriter:
        if self._file is None:
            path = self._path / f"part-{self._n_parts:05d}.parquet" if self._parts else self._path
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without arrow's own schema texts come back as texts, not as dictionaries.
            self._file = parquet.ParquetWriter(
                path, self._schema, compression="zstd", compression_level=1, store_schema=False
            )
        return self._file

    def _finish(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
            self._n_parts += 1
            self._n_part = 0


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside ``folder`` that takes its place at the end.

    Raises
    ------
    FolderNotEmpty : there is a file, or a folder with something in it, or it is the current one
    DiskFull, FolderReadOnly : it cannot be written; nothing is left
    """
    _refuse(folder)
    made = [parent for parent in folder.parents if not parent.exists()]
    workshop: Path | None = None
    try:
        with storage_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            workshop = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            workshop.chmod(0o755)
            yield workshop
            _refuse(folder)  # somebody may have come in between
            if folder.exists():
                folder.rmdir()
            workshop.rename(folder)
    except BaseException:
        if workshop is not None:
            shutil.rmtree(workshop, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # not empty: it is somebody else's by now
                parent.rmdir()
        raise


def _refuse(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise FolderNotEmpty(
            "this is a file, not a folder.", fix="Choose another name.", path=folder
        )
    with storage_errors(folder):
        if folder.exists() and any(folder.iterdir()):
            raise FolderNotEmpty(
                "this folder is not empty.",
                fix="Choose another folder, or empty this one first.",
                folder=folder,
            )
    if folder.exists() and folder.samefile(Path.cwd()):
        raise FolderNotEmpty(
            "this is the current folder, which cannot be replaced.",
            fix="Name a new folder in it.",
            folder=folder,
        )
