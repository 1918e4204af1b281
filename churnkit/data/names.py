"""Column names as a file gives them: named, different, not too many."""

from __future__ import annotations

from collections.abc import Sequence

from churnkit.errors import DataEmpty, DataUnreadable, TooManyColumns

MAX_COLUMNS = 10_000
ROW = "__row"
"""The column that churnkit adds to its own tables."""


def checked_names(names: Sequence[object], *, file: object) -> tuple[str, ...]:
    """The names without blanks around them; a missing one becomes ``column_3``.

    Raises
    ------
    DataEmpty : there are none
    DataUnreadable : two are equal, or differ in letter case only
    TooManyColumns : more than 10,000
    """
    if not names:
        raise DataEmpty("the table has no columns.", fix="Add a header row.", file=file)
    if len(names) > MAX_COLUMNS:
        raise TooManyColumns(
            f"the table has {len(names):,} columns; churnkit handles {MAX_COLUMNS:,}.",
            fix="Leave out columns that say nothing about the customer.",
            file=file,
        )
    cleaned = tuple(
        ("" if name is None else str(name)).strip() or f"column_{position}"
        for position, name in enumerate(names, 1)
    )
    seen: dict[str, str] = {}
    for name in cleaned:
        folded = name.casefold()
        if folded in seen:
            how = "twice" if seen[folded] == name else f"also as '{seen[folded]}'"
            raise DataUnreadable(
                f"the column '{name}' is there {how}.",
                fix="Give each column its own name; letter case does not tell them apart.",
                file=file,
                column=name,
            )
        seen[folded] = name
    if ROW in seen:
        raise DataUnreadable(
            f"the column name '{ROW}' is churnkit's own.", fix="Rename it.", file=file
        )
    return cleaned
