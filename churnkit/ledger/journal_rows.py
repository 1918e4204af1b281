"""The journal as rows of its table, and the transaction in which it grows."""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from churnkit.domain.models import JournalEntry
from churnkit.ledger.tables import journal

JOURNAL_LOCK = 0x6A6F75726E616C  # "journal"
"""Held by every transaction that adds to the journal, so that two never fork it."""


class JournalTurn:
    """An open transaction in which nobody else adds to the journal."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def entries(self) -> tuple[JournalEntry, ...]:
        """The journal so far."""
        return read_journal(self.connection)

    def append(self, entries: Iterable[JournalEntry]) -> None:
        """Add entries that follow the last one."""
        add_entries(self.connection, entries)


def read_journal(
    connection: sa.Connection, *, after: int = 0, limit: int | None = None
) -> tuple[JournalEntry, ...]:
    """Entries after this number, the oldest first, at most so many."""
    query = sa.select(journal).where(journal.c.sequence > after).order_by(journal.c.sequence)
    rows = connection.execute(query.limit(limit)).mappings()
    return tuple(JournalEntry(**{**row, "evidence": json.loads(row["evidence"])}) for row in rows)


def add_entries(connection: sa.Connection, entries: Iterable[JournalEntry]) -> None:
    """Add entries within a transaction that holds the journal's lock."""
    for entry in entries:
        evidence = json.dumps(entry.evidence, ensure_ascii=False, sort_keys=True)
        values = {**entry.model_dump(exclude={"evidence"}), "evidence": evidence}
        connection.execute(sa.insert(journal), values)
