"""Insert rows, or put them in the place of those that are there: the same on both engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert


def replace_rows(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    *,
    kept: Sequence[str] = (),
) -> None:
    """Write rows by their primary key.

    Parameters
    ----------
    kept : columns that keep what a row had before
    """
    if not rows:
        return
    insert = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(table)
    key = [column.name for column in table.primary_key]
    changed = {
        name: statement.excluded[name] for name in rows[0] if name not in key and name not in kept
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=key, set_=changed), list(rows)
    )
