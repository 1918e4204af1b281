"""Excel files: one sheet, its first row is the header."""

from __future__ import annotations

import datetime
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from churnkit.data.names import checked_names
from churnkit.domain.progress import Cancel
from churnkit.errors import AmbiguousSheet, DataEmpty, DataUnreadable, did_you_mean

# What openpyxl raises for a file that is cut off, no archive, or an archive of something else.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, ValueError, IndexError, OSError, EOFError
)  # fmt: skip


class ExcelSource:
    """A sheet of an .xlsx file; it is read into memory, as Excel's own limit is a million rows.

    Raises
    ------
    DataUnreadable : no such sheet, or no Excel file
    AmbiguousSheet : none is named, and several that can be seen have rows
    DataEmpty : the sheet has no rows
    """

    row_offset = 2

    def __init__(self, path: Path, sheet: str = "") -> None:
        self.path = path
        self.name = f"{path} ({sheet})" if sheet else str(path)
        rows = self._read(sheet)
        if not rows:
            raise DataEmpty("the sheet is empty.", fix="Name another one.", file=path)
        width = max(
            (i + 1 for row in rows for i, cell in enumerate(row) if cell is not None), default=0
        )
        header = (*rows[0], *([None] * width))[:width]
        self._names = checked_names(header, file=path)
        body = [row[:width] for row in rows[1:] if any(cell is not None for cell in row)]
        if not body:
            raise DataEmpty(
                "the sheet has a header but no rows.", fix="Choose one with customers.", file=path
            )
        columns = [[row[i] if i < len(row) else None for row in body] for i in range(width)]
        self._batch = pa.RecordBatch.from_arrays(
            [_array(column) for column in columns], names=list(self._names)
        )

    def columns(self) -> tuple[str, ...]:
        """The header."""
        return self._names

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """All rows."""
        if cancel is not None:
            cancel.check()
        yield self._batch

    def _read(self, sheet: str) -> list[tuple[object, ...]]:
        import openpyxl  # only Excel files need it

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # styles that it does not know
                book = openpyxl.load_workbook(self.path, read_only=True, data_only=True)
        except _BROKEN as error:
            raise _no_excel(self.path) from error
        try:
            if sheet and sheet not in book.sheetnames:
                raise DataUnreadable(
                    f"there is no sheet '{sheet}'.",
                    fix=did_you_mean(sheet, book.sheetnames),
                    file=self.path,
                )
            page = book[sheet] if sheet else self._only_page(book.worksheets)
            return list(page.iter_rows(values_only=True))
        except _BROKEN as error:
            raise _no_excel(self.path) from error
        finally:
            book.close()

    def _only_page(self, pages: list[Any]) -> Any:
        """The one sheet with rows: which of several is meant is not guessed."""
        seen = [page for page in pages if page.sheet_state == "visible"] or pages
        full = [page for page in seen if _has_rows(page)] or seen
        if len(full) > 1:
            names = [page.title for page in full]
            raise AmbiguousSheet(
                f"several sheets have rows: {', '.join(names)}.",
                fix="Name one with --sheet (data.sheet in churnkit.toml), or save it as a file "
                "of its own.",
                options=names,
                question="sheet",
                file=self.path,
            )
        if not full:
            raise DataEmpty("the file has no sheet with cells.", file=self.path)
        return full[0]


def _has_rows(page: Any) -> bool:
    """Whether there is anything below the first row that is not blank."""
    rows = page.iter_rows(values_only=True)
    return sum(1 for _ in islice((r for r in rows if any(c is not None for c in r)), 2)) == 2


def _no_excel(path: Path) -> DataUnreadable:
    return DataUnreadable("this is no whole Excel file.", fix="Save it as .xlsx again.", file=path)


def _array(values: list[object]) -> pa.Array:
    """One type for a column; text where its cells are of several kinds."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or (len(kinds) <= 1 and not kinds & {datetime.time}):
        return pa.array(values)
    if kinds <= {datetime.datetime, datetime.date}:
        return pa.array(values, pa.timestamp("us"))
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
