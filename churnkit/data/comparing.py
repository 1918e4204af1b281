"""How a later table differs from the one that was learnt from."""

from __future__ import annotations

from collections.abc import Collection

from churnkit.domain.columns import SchemaChange, TableColumn, TableSchema
from churnkit.errors import did_you_mean

_SHOWN = 5


def compare_schemas(
    learnt: TableSchema, later: TableSchema, *, ignore: Collection[str] = ()
) -> tuple[SchemaChange, ...]:
    """Missing, new and retyped columns, and changed sets of categories.

    Parameters
    ----------
    learnt : the table that was there
    later : the table that came
    ignore : columns whose changes do not matter
    """
    changes: list[SchemaChange] = []
    new = [column for column in later.columns if learnt.column(column.name) is None]
    for column in learnt.columns:
        if column.name in ignore:
            continue
        other = later.column(column.name)
        if other is None:
            close = did_you_mean(column.name, [found.name for found in new]) if new else ""
            hint = f" {close}" if close.startswith("Did") else ""
            changes.append(
                SchemaChange(
                    column=column.name, change="missing", detail=f"was a {column.kind}.{hint}"
                )
            )
        elif other.kind != column.kind and not _empty(other) and not _empty(column):
            changes.append(
                SchemaChange(
                    column=column.name,
                    change="retyped",
                    detail=f"was a {column.kind}, is a {other.kind}.",
                )
            )
        elif column.categories is not None and other.categories is not None:
            changes += _category_changes(column, other)
    changes += [
        SchemaChange(column=column.name, change="new", detail=f"is a {column.kind}.")
        for column in new
        if column.name not in ignore
    ]
    return tuple(changes)


def _empty(column: TableColumn) -> bool:
    return column.kind == "category" and column.categories == ()


def _category_changes(before: TableColumn, after: TableColumn) -> list[SchemaChange]:
    was, now = set(before.categories or ()), set(after.categories or ())
    changes = []
    if now - was:
        changes.append(
            SchemaChange(
                column=before.name, change="new_categories", detail=_listed(sorted(now - was))
            )
        )
    if was - now:
        changes.append(
            SchemaChange(
                column=before.name, change="lost_categories", detail=_listed(sorted(was - now))
            )
        )
    return changes


def _listed(values: list[str]) -> str:
    shown = ", ".join(f"'{value}'" for value in values[:_SHOWN])
    more = f" and {len(values) - _SHOWN:,} more" if len(values) > _SHOWN else ""
    return f"{shown}{more}."
