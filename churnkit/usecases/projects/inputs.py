"""Which columns a model may see, and why it does not see the others."""

from __future__ import annotations

from collections.abc import Sequence

from churnkit.domain.columns import TableSchema
from churnkit.domain.profiles import LeakFinding
from churnkit.errors import LeakageFound
from churnkit.settings.sources import ColumnsTable


def choose_inputs(
    schema: TableSchema, columns: ColumnsTable, leaks: Sequence[LeakFinding]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Divide the columns.

    Returns
    -------
    used : the columns that the model reads, in the table's order
    left_out : the others, each with the reason

    Raises
    ------
    LeakageFound : every column that is left knows the answer
    """
    blocked = {leak.column: leak for leak in leaks if leak.blocked}
    used: list[str] = []
    left_out: dict[str, str] = {}
    for column in schema.columns:
        name = column.name
        if name == columns.target:
            continue
        if name == columns.id:
            left_out[name] = "names the customer"
        elif name == columns.time:
            left_out[name] = "the moment a row looks from"
        elif name in columns.ignore:
            left_out[name] = "ignored in churnkit.toml"
        elif name in blocked:
            left_out[name] = f"knows the answer: {blocked[name].evidence}"
        elif column.kind == "time":
            left_out[name] = "a date, which the model cannot read as it is"
        else:
            used.append(name)
    if not used:
        raise LeakageFound(
            "no column is left to learn from"
            + (f"; these know the answer: {', '.join(blocked)}." if blocked else "."),
            fix="Add columns that were known before the customer left; or, if churnkit is "
            "mistaken, name them in columns.allow_leaking or remove them from columns.ignore.",
        )
    return tuple(used), left_out
