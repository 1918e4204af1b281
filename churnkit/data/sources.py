"""Where customers come from: a file or a query, read as batches of raw columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from churnkit.data.csv_source import CsvSource, OnBroken
from churnkit.data.excel_source import ExcelSource
from churnkit.data.parquet_source import ParquetSource
from churnkit.data.source_url import kept_url
from churnkit.data.sql_source import SqlSource
from churnkit.domain.progress import Cancel
from churnkit.errors import DataUnreadable

_TEXT = (".csv", ".tsv", ".txt")
_SUPPORTED = "CSV (.csv, .tsv, .txt, also .gz), Parquet (.parquet) or Excel (.xlsx)"


class Source(Protocol):
    """A table that can be read from its beginning, as often as needed."""

    @property
    def name(self) -> str:
        """For messages; never holds a password."""

    @property
    def row_offset(self) -> int:
        """What to add to a row's position (from 0) to name its place in the file."""

    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, in order: text as it is in the file, or native types."""


def lasting_name(source: Path | str, *, folder: Path) -> str:
    """A source as a project in ``folder`` keeps it: it means the same in any working directory.

    A file inside the folder is named relative to it, so that both may be moved together.

    Raises
    ------
    DataUnreadable : a URL that holds a password, which does not belong into a file
    """
    if "://" in str(source):
        return kept_url(str(source))
    path = Path(source).expanduser().resolve()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def open_source(
    source: Path | str,
    *,
    folder: Path | None = None,
    query: str = "",
    sheet: str = "",
    on_broken: OnBroken | None = None,
) -> Source:
    """Open a file by its ending and its first bytes, or a SQLAlchemy URL.

    Parameters
    ----------
    source : a path (relative to ``folder``, if one is given) or a URL such as ``sqlite:///a.db``
    query : SQL, for a URL
    sheet : for an Excel file; if not given, the only one with rows
    on_broken : told of rows of a CSV with too many or too few values, and a query's column may
        hold values of several types; None: they are errors

    Raises
    ------
    DataUnreadable : no such file, or no kind of file that churnkit reads
    DataEmpty : it has no columns
    AmbiguousSheet : an Excel file has several sheets, and none is named
    StorageUnreachable : the database does not answer
    """
    if "://" in str(source):
        return SqlSource(str(source), query, mixed=on_broken is not None)
    path = Path(source).expanduser()
    if folder is not None and not path.is_absolute():
        path = folder / path
    if not path.is_file():
        what = "this is a folder, not a file." if path.is_dir() else "there is no such file."
        raise DataUnreadable(what, fix="Check the path.", file=path)
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise DataUnreadable(
            f"the file cannot be read: {error.strerror}.", fix="Check its permissions.", file=path
        ) from error
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = suffixes[-1] if suffixes else ""
    if start[:4] == b"PAR1" or ending in (".parquet", ".pq"):
        return ParquetSource(path)
    if ending in (".xlsx", ".xlsm") or (start[:4] == b"PK\x03\x04" and ending == ".csv"):
        return ExcelSource(path, sheet)
    if ending in _TEXT or (ending == ".gz" and suffixes[-2:-1] and suffixes[-2] in _TEXT):
        return CsvSource(path, on_broken)
    raise DataUnreadable(
        f"churnkit does not read '{ending or path.name}' files.",
        fix=f"Save the table as {_SUPPORTED}.",
        file=path,
    )
