"""The online state in the ledger's database: text per customer and layout, changed under a lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from churnkit.domain.recording import IdempotentAnswer
from churnkit.ledger import tables
from churnkit.ledger.idempotent import keep_answer
from churnkit.ledger.store import Ledger
from churnkit.ledger.suppressions import ErasedWithin

_CHUNK = 1_000
T = TypeVar("T")
States = dict[str, str]
Change = Callable[[Mapping[str, States], set[str]], Mapping[str, States]]
"""From what is there (layout → customer → state), and who was erased, to what is to be
there; it may omit the rest."""


class OnlineStates:
    """The online states of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def layouts(self) -> dict[str, str]:
        """All layouts, the oldest first: hash → description."""
        table = tables.online_layouts
        query = sa.select(table.c.layout_hash, table.c.description).order_by(
            table.c.created_at, table.c.layout_hash
        )
        with self._ledger.reading() as connection:
            return {row.layout_hash: row.description for row in connection.execute(query)}

    def replace(
        self,
        layout_hash: str,
        states: Iterable[tuple[str, str]],
        *,
        feature_hash: str,
        description: str,
        at: datetime,
    ) -> int:
        """Put a layout and the states of all customers in place of what it had, all or nothing.

        Returns
        -------
        n : customers written
        """
        n = 0
        with self._ledger.writing() as connection:
            _drop(connection, layout_hash)
            connection.execute(
                sa.insert(tables.online_layouts),
                {
                    "layout_hash": layout_hash,
                    "feature_hash": feature_hash,
                    "description": description,
                    "created_at": at,
                },
            )
            for chunk in _chunks(states):
                rows = [
                    {
                        "layout_hash": layout_hash,
                        "customer_id": one,
                        "state": text,
                        "updated_at": at,
                    }
                    for one, text in chunk
                ]
                connection.execute(sa.insert(tables.online_state), rows)
                n += len(rows)
        return n

    def drop(self, layout_hash: str) -> None:
        """Forget a layout and its states."""
        with self._ledger.writing() as connection:
            _drop(connection, layout_hash)

    def read(self, layout_hash: str, customer_ids: Sequence[str]) -> States:
        """The states of these customers; of unknown ones there is none."""
        with self._ledger.reading() as connection:
            return _read(connection, layout_hash, customer_ids, lock=False)

    def change(
        self,
        layouts: Sequence[str],
        customer_ids: Sequence[str],
        change: Change,
        *,
        at: datetime,
        erased: ErasedWithin,
        keep: Callable[[], IdempotentAnswer] | None = None,
    ) -> None:
        """Change the states of these customers in all layouts, in one transaction.

        Others that change one of them wait; locks are taken in one order, so that nobody waits
        for each other.

        Parameters
        ----------
        erased : tells erased customers, of whom nothing is written
        keep : makes the answer that is committed with the change

        Raises
        ------
        AnsweredAlready : there is an answer under this key; nothing was changed
        """
        with self._ledger.writing() as connection:
            gone = erased(connection, customer_ids)
            wanted = sorted(set(customer_ids) - gone)
            locking = connection.dialect.name == "postgresql"
            found: dict[str, States] = {}
            for layout in sorted(layouts):
                if locking:
                    _claim(connection, layout, wanted, at)
                found[layout] = _read(connection, layout, wanted, lock=locking)
            changed = change(found, gone)
            if keep is not None:
                keep_answer(connection, keep())
            for layout, states in changed.items():
                _write(connection, layout, states, at)


def _drop(connection: sa.Connection, layout_hash: str) -> None:
    for table in (tables.online_state, tables.online_layouts):
        connection.execute(sa.delete(table).where(table.c.layout_hash == layout_hash))


def _claim(connection: sa.Connection, layout: str, ids: Sequence[str], at: datetime) -> None:
    """Rows for new customers, so that there is something to lock."""
    table = tables.online_state
    for chunk in _chunks(ids):
        rows = [
            {"layout_hash": layout, "customer_id": one, "state": "", "updated_at": at}
            for one in chunk
        ]
        connection.execute(postgres_insert(table).on_conflict_do_nothing(), rows)


def _read(connection: sa.Connection, layout: str, ids: Sequence[str], *, lock: bool) -> States:
    table = tables.online_state
    found: States = {}
    for chunk in _chunks(ids):
        query = (
            sa.select(table.c.customer_id, table.c.state)
            .where(table.c.layout_hash == layout, table.c.customer_id.in_(chunk))
            .order_by(table.c.customer_id)
        )
        for row in connection.execute(query.with_for_update() if lock else query):
            if row.state:
                found[row.customer_id] = row.state
    return found


def _write(connection: sa.Connection, layout: str, states: Mapping[str, str], at: datetime) -> None:
    table = tables.online_state
    for chunk in _chunks(sorted(states.items())):
        rows = [
            {"layout_hash": layout, "customer_id": one, "state": text, "updated_at": at}
            for one, text in chunk
        ]
        insert = (postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert)(
            table
        )
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[table.c.layout_hash, table.c.customer_id],
                set_={"state": insert.excluded.state, "updated_at": insert.excluded.updated_at},
            ),
            rows,
        )


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    stream = iter(items)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk
