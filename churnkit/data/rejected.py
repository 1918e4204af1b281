"""Rows that an import cannot use, kept in a file with where they are and what is wrong."""

from __future__ import annotations

import csv
import filecmp
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from churnkit.files import storage_errors

if TYPE_CHECKING:
    import _csv  # the only place where the type of a writer has a name

HEADER = ("file", "row", "column", "reason", "raw")


class Rejected:
    """Writes the rows into a temporary file that gets its name at the end.

    Parameters
    ----------
    path : where the file shall be; it appears only if rows were set aside, and only by ``keep``
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_rows = 0
        self.reasons: Counter[tuple[str, str]] = Counter()
        """Column and reason → rows."""
        self.first = ""
        self._file: TextIO | None = None
        self._writer: _csv.Writer | None = None
        self._temporary = path.with_suffix(".csv.new")

    def __enter__(self) -> Rejected:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

    def add(
        self, file: str, row: int, column: str, reason: str, raw: Mapping[str, object] | str
    ) -> None:
        """Set a row aside."""
        if self._writer is None:
            with storage_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._temporary.open("w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(HEADER)
        text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
        with storage_errors(self.path):
            self._writer.writerow((file, row, column, reason, text))
        self.n_rows += 1
        self.reasons[column, reason] += 1
        if not self.first:
            place = f", column {column}" if column else ""
            self.first = f"{file}, row {row}{place}: {reason}"

    def keep(self) -> Path | None:
        """Give the file its name; None if nothing was set aside.

        If an earlier import set the very same rows aside, its file is the one.
        """
        if self._file is None:
            return None
        with storage_errors(self.path):
            self._file.close()
            self._file = None
            size = self._temporary.stat().st_size
            for path in sorted(self.path.parent.glob(f"{_source_name(self.path)}-*.csv")):
                if path.stat().st_size == size and filecmp.cmp(path, self._temporary, False):
                    self._temporary.unlink()
                    return path
            self._temporary.replace(self.path)
        return self.path


def next_file(folder: Path, source: str) -> Path:
    """The first free name for rows of a source that are set aside."""
    numbers = [
        int(text)
        for path in folder.glob(f"{source}-*.csv")
        if (text := path.stem.rpartition("-")[2]).isdigit()
    ]
    return folder / f"{source}-{max(numbers, default=0) + 1}.csv"


def _source_name(path: Path) -> str:
    return path.stem.rpartition("-")[0]
