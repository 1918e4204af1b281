"""Where events, attributes and subscriptions come from: one or many files, or a query.

Each part of a source is read on its own, so that memory does not grow with the number of files.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.csv_source import TORN, CsvSource
from churnkit.data.sources import Source, open_source
from churnkit.domain.progress import Cancel
from churnkit.errors import DataUnreadable

_ENDINGS = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Part:
    """A file or a query, with what its folder's name says about all of its rows."""

    location: str
    """An absolute path, or a URL."""
    constants: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be read as columns."""

    row: int
    reason: str
    raw: str


class OpenPart:
    """An opened part: numbered batches, and the rows that are no rows.

    Raises
    ------
    DataError : it cannot be opened
    """

    def __init__(self, part: Part, *, query: str = "") -> None:
        self._broken: list[BrokenRow] = []
        self._source: Source = open_source(part.location, query=query, on_broken=self._take_broken)
        held = set(self._source.columns())
        self._constants = tuple((name, text) for name, text in part.constants if name not in held)
        self.name = self._source.name

    def columns(self) -> tuple[str, ...]:
        """The columns' names, those of the folder last."""
        return (*self._source.columns(), *(name for name, _ in self._constants))

    def batches(
        self, cancel: Cancel | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Sequence[int], list[BrokenRow]]]:
        """Rows, the number of each in its file, and the broken ones met on the way."""
        skipped: set[int] = set()
        row = self._source.row_offset
        for batch in self._source.batches(cancel):
            broken, self._broken = self._broken, []
            skipped |= {found.row for found in broken}
            rows: Sequence[int] = range(row, row + batch.num_rows)
            if skipped:
                numbers: list[int] = []
                while len(numbers) < batch.num_rows:
                    if row in skipped:
                        skipped.discard(row)
                    else:
                        numbers.append(row)
                    row += 1
                rows = numbers
            else:
                row += batch.num_rows
            if isinstance(self._source, CsvSource) and self._source.torn:
                batch, rows, torn = _without_torn(batch, rows)
                broken += torn
            for name, text in self._constants:
                batch = batch.append_column(name, pa.array([text] * batch.num_rows, pa.string()))
            yield batch, rows, broken
        if self._broken:
            rest, self._broken = self._broken, []
            yield _no_rows(self.columns()), range(0), rest

    def _take_broken(self, row: int, reason: str, raw: str) -> None:
        self._broken.append(BrokenRow(row, reason, raw))


def find_parts(sources: Sequence[str], folder: Path | None = None) -> tuple[Part, ...]:
    """The files that the sources name, each once, in the order of their names.

    Parameters
    ----------
    sources : files, globs (``**`` for all folders below), folders, or a URL
    folder : relative paths start here

    Raises
    ------
    DataUnreadable : a source names nothing that can be read
    """
    parts: dict[str, Part] = {}
    for source in sources:
        if "://" in source:
            parts.setdefault(source, Part(source))
            continue
        for path, constants in _files(source, folder):
            parts.setdefault(str(path), Part(str(path), constants))
    return tuple(parts.values())


def _files(
    source: str, folder: Path | None
) -> list[tuple[Path, tuple[tuple[str, str | None], ...]]]:
    path = Path(source).expanduser()
    if folder is not None and not path.is_absolute():
        path = folder / path
    path = path.absolute()
    if path.is_dir():
        files = [
            found
            for found in sorted(path.rglob("*"))
            if found.is_file()
            and found.name.lower().endswith(_ENDINGS)
            and not any(part[0] in "._" for part in found.relative_to(path).parts)
        ]
        if not files:
            raise DataUnreadable(
                "this folder holds no files that churnkit reads.",
                fix="Name a folder with Parquet or CSV files, or a single file.",
                folder=path,
            )
        return [(found, _partition(found)) for found in files]
    if not path.exists() and any(mark in str(path) for mark in "*?["):
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - the pattern is absolute
        files = [one for one in found if one.is_file()]
        if files:
            return [(one, _partition(one)) for one in files]
        folders = [pair for one in found if one.is_dir() for pair in _files(str(one), None)]
        if folders:
            return folders
        raise DataUnreadable(
            "no file has a name like this.", fix="Check the pattern and the folder.", pattern=path
        )
    return [(path, _partition(path))]


def _partition(path: Path) -> tuple[tuple[str, str | None], ...]:
    """``kind=login/part.parquet`` says ``kind`` is ``login`` in all rows (Hive's layout)."""
    found = []
    for part in path.parent.parts:
        name, equals, value = part.partition("=")
        if equals and name and "=" not in value:
            found.append((unquote(name), None if value == _NO_VALUE else unquote(value)))
    return tuple(found)


def _without_torn(
    batch: pa.RecordBatch, rows: Sequence[int]
) -> tuple[pa.RecordBatch, Sequence[int], list[BrokenRow]]:
    """The rows that are text, and those with bytes that are none."""
    bad = np.zeros(batch.num_rows, np.bool_)
    for column in batch.columns:
        bad |= pc.match_substring(column, TORN).to_numpy(zero_copy_only=False).astype(np.bool_)
    if not bad.any():
        return batch, rows, []
    reason = "holds bytes that are no UTF-8, unlike the rest of the file"
    torn = [
        BrokenRow(
            rows[place], reason, ",".join(map(str, batch.slice(place, 1).to_pylist()[0].values()))
        )
        for place in np.flatnonzero(bad).tolist()
    ]
    kept = [row for row, is_bad in zip(rows, bad.tolist(), strict=True) if not is_bad]
    return batch.filter(pa.array(~bad)), kept, torn


def _no_rows(names: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in names], list(names))
