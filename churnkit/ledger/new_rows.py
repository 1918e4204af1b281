"""Which predictions were written since somebody last looked: each is seen exactly once.

Predictions commit in another order than they were made or numbered, so that no time and no
counter says where one had stopped. PostgreSQL does: each row names the transaction that wrote it
(``written_in``), and a snapshot tells which transactions were seen. The rows of a look are those
of transactions that its snapshot sees and the snapshot of the look before did not. SQLite has
one writer, whose row numbers rise; VACUUM gives them anew, in their order, so that the last row
that was seen is known by its id. When it is gone, nothing tells what was seen, and the look takes
all rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

_SQLITE_ROWS = 20_000
"""Rows of one look: while it writes, nobody else can."""


@dataclass(frozen=True)
class NewRows:
    """Rows of ``predictions p``.

    ``where`` is a condition in SQL with ``parameters``; ``position`` is to be handed to the next
    look. ``first`` says that nobody looked before, ``again`` that rows which were seen before are
    among them, ``more`` that others wait.
    """

    where: str
    parameters: dict[str, Any]
    position: str
    first: bool = False
    again: bool = False
    more: bool = False


def new_rows(connection: sa.Connection, position: str | None) -> NewRows:
    """What was written since the position; None: all rows.

    On PostgreSQL the transaction must be REPEATABLE READ: all its statements see one snapshot.
    """
    before = None if position is None else json.loads(position)
    if connection.dialect.name == "postgresql":
        return _by_snapshot(connection, before)
    return _by_number(connection, before)


def _by_snapshot(connection: sa.Connection, before: dict[str, Any] | None) -> NewRows:
    query = "select s::text, pg_snapshot_xmax(s)::text from pg_current_snapshot() s"
    seen, top = connection.execute(sa.text(query)).one()
    position = json.dumps({"snapshot": seen})
    if before is None:
        return NewRows("true", {}, position, first=True)
    lowest = int(before["snapshot"].partition(":")[0])
    if lowest > int(top):  # the database was restored on a server that counts anew
        return NewRows("true", {}, position, again=True)
    return NewRows(
        "p.written_in >= :lowest and "
        "not pg_visible_in_snapshot(p.written_in::text::xid8, cast(:seen as pg_snapshot))",
        {"lowest": lowest, "seen": before["snapshot"]},
        position,
    )


def _by_number(connection: sa.Connection, before: dict[str, Any] | None) -> NewRows:
    low, again = 0, False
    if before is not None and before["row"]:
        query = sa.text("select rowid from predictions where prediction_id = :name")
        found = connection.execute(query, {"name": before["prediction_id"]}).scalar()
        low, again = (0, True) if found is None else (found, False)
    query = sa.text("select max(rowid) from predictions")
    top = connection.execute(query).scalar() or 0
    high = top if again else min(top, low + _SQLITE_ROWS)
    query = sa.text(
        "select rowid, prediction_id from predictions where rowid <= :high "
        "order by rowid desc limit 1"
    )
    last = connection.execute(query, {"high": high}).first()
    row, name = (0, None) if last is None else last
    return NewRows(
        "p.rowid > :low and p.rowid <= :high",
        {"low": low, "high": high},
        json.dumps({"row": row, "prediction_id": name}),
        first=before is None,
        again=again,
        more=high < top,
    )
