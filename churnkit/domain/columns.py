"""Columns: of a table that was read, and of the inputs that a model knows."""

from __future__ import annotations

from typing import Literal

from churnkit.domain.frozen import Frozen

ColumnKind = Literal["number", "boolean", "category", "time"]
"""number: float64 or int64; boolean; category: text; time: date or timestamp (UTC)."""

LARGEST = 3.4028234663852886e38
"""The largest float32. Beyond it scikit-learn's trees refuse a number, and so do all paths."""


class TableColumn(Frozen):
    """A column of an imported table.

    ``categories`` are the values seen, sorted, or None when there are more than 1,000 of them
    or the column is no category. ``missing_words`` are texts that were read as missing.
    """

    name: str
    kind: ColumnKind
    categories: tuple[str, ...] | None = None
    missing_words: tuple[str, ...] = ()


class TableSchema(Frozen):
    """The columns of an imported table, in the file's order, with a fingerprint of its rows.

    ``fingerprint`` is the SHA-256 (hex) of the typed content, so that the same rows in CSV and
    in Parquet have the same one.
    """

    columns: tuple[TableColumn, ...]
    n_rows: int
    fingerprint: str

    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> TableColumn | None:
        """The column of this name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)


class SchemaChange(Frozen):
    """A difference between the table that was learnt from and a later one."""

    column: str
    change: Literal["missing", "new", "retyped", "new_categories", "lost_categories"]
    detail: str


class ModelInput(Frozen):
    """One raw column that a model reads.

    Numbers and booleans become themselves, categories their position in ``categories`` (learnt
    on the training rows only, rare ones left out); missing, unseen and rare become NaN.
    ``low`` and ``high`` are the range on the training rows (numbers only; aggregates, no row).
    """

    name: str
    kind: Literal["number", "boolean", "category"]
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


class ModelSchema(Frozen):
    """What a model reads and says: inputs in the order of its vector.

    Numbers and booleans come first, then categories; entry i of the vector is ``inputs[i]``.
    """

    inputs: tuple[ModelInput, ...]
    id_column: str
    target: str
    positive: str

    def names(self) -> tuple[str, ...]:
        """The raw columns, in the vector's order."""
        return tuple(column.name for column in self.inputs)
