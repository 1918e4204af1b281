"""Groups of predictions into PostgreSQL, on a connection of asyncpg.

A few rows are one INSERT of their values: one round trip, which is its own transaction. Many rows
are a COPY. An Idempotency-Key goes into the same transaction as
what it stands for.

Customers who were erased are not written, although they were asked about before: the INSERT itself
looks whether one of its customers was, and writes nothing then; the group is then written without
him. Whoever erases waits for the statements that looked before (``suppressions``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from churnkit.domain.recording import PredictionColumns
from churnkit.errors import StorageUnreachable
from churnkit.ledger.copy_rows import COLUMNS, binary_rows
from churnkit.ledger.group_commit import Entry, Erasures, Refused

if TYPE_CHECKING:
    import asyncpg

_TRIES = 5
_NOTHING = "INSERT 0 0"
_KINDS = (
    "text", "text", "float8", "text", "text", "text", "text", "text", "text", "timestamptz",
    "timestamptz", "text", "text",
)  # fmt: skip
"""What PostgreSQL calls the types of ``COLUMNS``."""
_VALUES_UP_TO_ROWS = 32
"""From there on COPY costs less, on both sides (measured)."""
_INSERT_KEY = (
    "insert into idempotency (owner, key, request_hash, status, answer, created_at) "
    "values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning 1"
)
# The pseudonyms are of the customers that are to be written. Where nobody is known to be erased
# there is none, and anybody who is kept stops the statement: it is looked up then who it is.
_ERASED = "exists (select 1 from suppressions where pseudonym = any({given}::text[]))"
_ANYBODY = "exists (select 1 from suppressions)"
# Of SQLSTATE's classes: connection, resources, operator's intervention, system error; and a
# database that became a read-only standby.
_AWAY = ("08", "53", "57", "58", "25006")


class PostgresSink:
    """One connection that commits groups; made by ``connect``.

    Parameters
    ----------
    url : a SQLAlchemy URL of PostgreSQL
    timeout_seconds : for connecting, and on the server's side for a statement, and for what
        comes between two of a transaction
    erasures : tells erased customers, of whom nothing is committed
    """

    def __init__(self, url: str, *, timeout_seconds: float, erasures: Erasures) -> None:
        self._erasures = erasures
        parsed = sa.make_url(url)
        self._place = parsed.render_as_string(hide_password=True)
        self._dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        self._timeout = timeout_seconds
        self._connection: asyncpg.Connection | None = None

    async def reconnect(self) -> None:
        """Let go of the connection and make a new one.

        Raises
        ------
        StorageUnreachable : the database does not answer
        """
        import asyncpg

        await self.close()
        milliseconds = str(int(1000 * self._timeout))
        try:
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=self._timeout,
                server_settings={
                    "application_name": "churnkit writer",
                    "statement_timeout": milliseconds,
                    # A machine that is lost says no farewell: others would wait for its keys.
                    "idle_in_transaction_session_timeout": milliseconds,
                },
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise self._unreachable(error) from error

    async def close(self) -> None:
        """Let go of the connection; a commit in flight is not waited for."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def commit(self, group: Sequence[Entry]) -> Sequence[Entry | Refused]:
        """See ``Sink``."""
        import asyncpg

        connection = await self._connected()
        try:
            try:
                return await self._commit(connection, group)
            except _Erased:
                return await self._without_erased(connection, group)
        except asyncio.CancelledError:  # took too long: what the server still does is unknown
            await self.close()
            raise
        except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # The last one: the server's farewell came when the next command was being sent.
            await self.close()
            raise self._unreachable(error) from error
        except asyncpg.PostgresError as error:
            if connection.is_closed() or str(error.sqlstate).startswith(_AWAY):
                await self.close()
                raise self._unreachable(error) from error
            return await self._one_by_one(group, error)

    async def _without_erased(
        self, connection: asyncpg.Connection, group: Sequence[Entry]
    ) -> Sequence[Entry | Refused]:
        """Somebody was erased since it was last looked who was."""
        for _ in range(_TRIES):
            customers = set().union(*(entry.customers() for entry in group))
            gone = await asyncio.to_thread(self._erasures.read_again, customers)
            left = [entry.without(gone) for entry in group]
            try:
                taken = await self._commit(connection, left)
            except _Erased:
                continue
            return [whole for whole, entry in zip(group, left, strict=True) if entry in taken]
        raise StorageUnreachable(
            "customers are being erased all the time.", fix="Send the request again after a while."
        )

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            await self.reconnect()
        assert self._connection is not None
        return self._connection

    async def _one_by_one(
        self, group: Sequence[Entry], error: Exception
    ) -> Sequence[Entry | Refused]:
        """One entry holds what the database refuses: the others shall not suffer."""
        if len(group) == 1:
            return [Refused(group[0], str(error))]
        outcomes: list[Entry | Refused] = []
        for entry in group:
            outcomes += await self.commit([entry])
        return outcomes

    async def _commit(
        self, connection: asyncpg.Connection, group: Sequence[Entry]
    ) -> Sequence[Entry]:
        if all(entry.answer is None for entry in group):
            await self._insert(connection, [part for entry in group for part in entry.predictions])
            return ()
        taken: list[Entry] = []
        parts: list[PredictionColumns] = []
        # Always in the same order, so that two replicas never wait for each other's keys.
        keyed = sorted(group, key=lambda e: (e.answer.owner, e.answer.key) if e.answer else ("",))
        async with connection.transaction():
            for entry in keyed:
                answer = entry.answer
                if answer is not None and not await connection.fetchval(
                    _INSERT_KEY,
                    answer.owner,
                    answer.key,
                    answer.request_hash,
                    answer.status,
                    answer.answer,
                    answer.created_at,
                ):
                    taken.append(entry)
                else:
                    parts += entry.predictions
            await self._insert(connection, parts)
        return taken

    async def _insert(
        self, connection: asyncpg.Connection, parts: Sequence[PredictionColumns]
    ) -> None:
        n = sum(map(len, parts))
        if not n:
            return
        given = self._erasures.pseudonyms(name for part in parts for name in part.customer_ids)
        if n <= _VALUES_UP_TO_ROWS:
            values: list[Any] = []
            for part in parts:
                for i in range(len(part)):
                    values += _row(part, i)
            if given:
                values.append(given)
            done = await connection.execute(_insert_values(n, bool(given)), *values)
            if done == _NOTHING:
                raise _Erased
            return
        rows = binary_rows(parts)

        async def whole() -> AsyncIterator[bytes]:
            yield rows

        async with connection.transaction():
            # It is looked after the lock: who is erased from then on waits for it.
            await connection.execute("lock table suppressions in row exclusive mode")
            looked = _ERASED.format(given="$1") if given else _ANYBODY
            if await connection.fetchval(f"select {looked}", *([given] if given else [])):
                raise _Erased
            await connection.copy_to_table(
                "predictions", source=whole(), columns=COLUMNS, format="binary"
            )

    def _unreachable(self, error: BaseException) -> StorageUnreachable:
        said = str(error).splitlines()
        return StorageUnreachable(
            f"the ledger's database does not answer: {said[0] if said else type(error).__name__}.",
            fix="Send the request again after a while.",
            database=self._place,
        )


class _Erased(Exception):
    """One of the customers was erased; nothing was written."""


@cache
def _insert_values(n: int, known: bool) -> str:
    """An INSERT of n rows; the connection keeps each as a prepared statement.

    Parameters
    ----------
    known : pseudonyms are given, behind the rows
    """
    width = len(COLUMNS)
    rows = (
        "(" + ", ".join(f"${i * width + j + 1}::{kind}" for j, kind in enumerate(_KINDS)) + ")"
        for i in range(n)
    )
    looked = _ERASED.format(given=f"${n * width + 1}") if known else _ANYBODY
    return (
        f"insert into predictions ({', '.join(COLUMNS)}) "
        f"select * from (values {', '.join(rows)}) given where not {looked}"
    )


def _row(part: PredictionColumns, i: int) -> tuple[Any, ...]:
    """A row of a part, in the order of ``COLUMNS``."""
    return (
        part.prediction_ids[i],
        part.customer_ids[i],
        part.probabilities[i],
        part.reasons[i],
        part.unknown_categories[i],
        part.shadow_of[i] if part.shadow_of else None,
        part.risk_bands[i],
        part.model_version,
        part.variant,
        part.made_at,
        part.as_of,
        part.request_id,
        part.rollout_id,
    )
