"""A table in figures: columns, missing values, duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import as_array, row_groups
from churnkit.data.target import labels, value_text
from churnkit.domain.columns import TableColumn, TableSchema
from churnkit.domain.profiles import ColumnProfile, LeakFinding, Role, TableProfile
from churnkit.settings.sources import ColumnsTable

_CODED_MISSING = frozenset(
    "unknown n/a na nan null none missing undefined ? - -- not_available unspecified".split()
)
_CODED_NUMBERS = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0, 99999.0})
_TOP = 5


def profile_table(
    table: pa.Table,
    schema: TableSchema,
    columns: ColumnsTable,
    *,
    source: str,
    blanks: Mapping[str, int] | None = None,
    leaks: Sequence[LeakFinding] = (),
) -> TableProfile:
    """Look at every column, and at rows that repeat.

    Parameters
    ----------
    table : the imported customers, typed; missing is null
    schema : their columns
    columns : their roles
    source : where they came from
    blanks : how many values of a column were blank text
    leaks : what was found to know the answer

    Raises
    ------
    ColumnMissing, TargetInvalid : the target is missing, or has blanks
    """
    left = labels(table, columns.target, columns.positive)
    roles = {column.name: _role(column.name, columns) for column in schema.columns}
    inputs = [name for name, role in roles.items() if role == "input"]
    groups = row_groups(table, inputs)
    n_groups = int(groups.max()) + 1 if len(groups) else 0
    per_group = np.bincount(groups, minlength=n_groups)
    left_in_group = np.bincount(groups, weights=left, minlength=n_groups)
    conflicting = int(((left_in_group > 0) & (left_in_group < per_group)).sum())
    whole = row_groups(table, [name for name, role in roles.items() if role != "id"])
    duplicate_ids = 0
    if columns.id and columns.id in table.column_names:
        ids = as_array(table.column(columns.id))
        duplicate_ids = len(ids) - ids.null_count - int(pc.count_distinct(ids).as_py())
    return TableProfile(
        source=source,
        n_rows=table.num_rows,
        n_positive=int(left.sum()),
        target=columns.target,
        positive=columns.positive,
        columns=tuple(
            _column(table.column(column.name), column, roles[column.name], (blanks or {}))
            for column in schema.columns
        ),
        duplicate_ids=duplicate_ids,
        duplicates=table.num_rows - len(np.unique(whole)),
        conflicting=conflicting,
        leaks=tuple(leaks),
        fingerprint=schema.fingerprint,
    )


def _role(name: str, columns: ColumnsTable) -> Role:
    if name == columns.target:
        return "target"
    if name == columns.id:
        return "id"
    if name == columns.time:
        return "time"
    return "ignore" if name in columns.ignore else "input"


def _column(
    values: pa.ChunkedArray, column: TableColumn, role: Role, blanks: Mapping[str, int]
) -> ColumnProfile:
    counts = pc.value_counts(pc.drop_null(values))
    n_by_value = counts.field("counts").to_numpy(zero_copy_only=False)
    order = np.argsort(-n_by_value, kind="stable")[:_TOP]
    distinct = counts.field("values")
    top = tuple((value_text(distinct[int(i)].as_py()), int(n_by_value[i])) for i in order)
    low = high = mean = None
    if column.kind == "number" and len(distinct):
        numbers = values.cast(pa.float64())
        bounds = pc.min_max(numbers)
        low, high = bounds["min"].as_py(), bounds["max"].as_py()
        mean = pc.mean(numbers).as_py()
    return ColumnProfile(
        name=column.name,
        kind=column.kind,
        role=role,
        missing=values.null_count,
        blanks=blanks.get(column.name, 0),
        missing_words=_coded_missing(column, distinct, n_by_value),
        distinct=len(distinct),
        constant=len(distinct) <= 1,
        low=low,
        high=high,
        mean=mean,
        top=top,
        note=_note(column, role, len(distinct), len(values), values.null_count),
    )


def _coded_missing(
    column: TableColumn, distinct: pa.Array, counts: np.typing.NDArray[np.int64]
) -> tuple[str, ...]:
    """Values that probably mean 'not known', but were kept as they are."""
    if column.kind == "category":
        return tuple(
            value
            for value in distinct.to_pylist()
            if value.strip().casefold().replace(" ", "_") in _CODED_MISSING
        )
    if column.kind != "number" or len(distinct) < 10:
        return ()
    values = distinct.cast(pa.float64()).to_numpy(zero_copy_only=False)
    ordered = np.sort(values)
    low, high = ordered[0], ordered[-1]
    span = ordered[-2] - ordered[1]
    frequent = max(5.0, 3 * float(np.median(counts)))
    return tuple(
        value_text(float(value))
        for value, count in zip(values, counts, strict=True)
        if value in _CODED_NUMBERS
        and count >= frequent
        and value in (low, high)
        # It stands apart from the other values.
        and min(abs(value - ordered[1]), abs(value - ordered[-2])) > span
    )


def _note(column: TableColumn, role: Role, distinct: int, n: int, missing: int) -> str:
    if distinct == 0:
        return "empty"
    if distinct == 1:
        return "constant" if not missing else "one value, or missing"
    if role == "input" and distinct == n and column.kind == "category":
        return "different in each row: a name?"
    if role == "input" and column.kind == "category" and distinct > 200:
        return "many categories"
    return ""
