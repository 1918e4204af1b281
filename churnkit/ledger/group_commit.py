"""Requests in flight share a commit: one writer takes all that wait, and one fsync is for all.

The queue is bounded in rows. When the database is away, whoever waits learns it at once, and
nobody new is let in until it answers again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from churnkit.domain.recording import IdempotentAnswer, PredictionColumns
from churnkit.errors import BadValue, LedgerBusy, StorageUnreachable
from churnkit.ledger.commit_pace import CommitPace

log = logging.getLogger("churnkit.ledger")
_BULK_ROWS = 64
"""A request with so many rows has a commit of its own: single rows do not wait for it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


class Waiter(Protocol):
    """Is told what became of an entry; a future of the event loop is one."""

    def done(self) -> bool:
        """Whether it needs not be told any more."""

    def set_result(self, committed: bool, /) -> None:
        """All of it is in the database, or the Idempotency-Key was there already."""

    def set_exception(self, error: Exception, /) -> None:
        """Nothing of it was committed."""


@dataclass(slots=True, eq=False)
class Entry:
    """What one request wants to be committed, all of it or nothing."""

    predictions: Sequence[PredictionColumns]
    answer: IdempotentAnswer | None
    done: Waiter
    n_rows: int

    def customers(self) -> set[str]:
        """Of whom it is."""
        return {name for part in self.predictions for name in part.customer_ids}

    def without(self, erased: Collection[str]) -> Entry:
        """What is left of it when some customers are erased: no answer that names them, either."""
        if self.customers().isdisjoint(erased):
            return self
        parts = [part.without(erased) for part in self.predictions]
        return replace(self, predictions=[part for part in parts if len(part)], answer=None)


class Erasures(Protocol):
    """Tells erased customers; what it knows may be old."""

    def pseudonyms(self, customer_ids: Iterable[str], /) -> list[str]:
        """What the ledger keeps of these, were they erased; empty where nobody is known to be."""

    def read_again(self, customer_ids: Iterable[str], /) -> set[str]:
        """Which of these were erased, as the ledger says now."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The database refused this entry, and only this one."""

    entry: Entry
    why: str


class Sink(Protocol):
    """Where groups are committed."""

    async def commit(self, group: Sequence[Entry]) -> Sequence[Entry | Refused]:
        """Commit a group in one transaction.

        Returns
        -------
        not_written : entries whose Idempotency-Key was taken meanwhile, and refused ones

        Raises
        ------
        StorageUnreachable : the database is away; nothing can be said of the group
        """

    async def reconnect(self) -> None:
        """Reach the database again.

        Raises
        ------
        StorageUnreachable : it does not answer
        """

    async def close(self) -> None:
        """Let go of it."""


@dataclass
class WriterFigures:
    """What the writer did so far."""

    commits: int = 0
    rows: int = 0
    failures: int = 0
    seconds: list[float] = field(default_factory=list)
    """Durations of the latest commits; whoever reads them empties the list."""
    sizes: list[int] = field(default_factory=list)
    """Rows of the same commits."""


class GroupCommitWriter:
    """Commits what requests hand in; belongs to one event loop.

    Parameters
    ----------
    sinks : one connection each; a group takes one of them
    max_pending_rows : so many may wait, more are turned away
    max_group_rows : so many share a commit
    timeout_seconds : a commit that takes longer counts as the database being away
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        max_pending_rows: int,
        max_group_rows: int,
        timeout_seconds: float,
    ) -> None:
        self._sinks = sinks
        self._max_pending_rows = max_pending_rows
        self._max_group_rows = max_group_rows
        self._timeout = timeout_seconds
        self._small: deque[Entry] = deque()
        self._bulk: deque[Entry] = deque()
        self._wake = [asyncio.Event() for _ in sinks]
        self._tasks: list[asyncio.Task[None]] = []
        self._away: dict[int, StorageUnreachable] = {}
        self._closing = False
        self._pace = CommitPace()
        self._wanted = 1
        """So many small requests wake their lane."""
        self.pending_rows = 0
        self.figures = WriterFigures()

    def start(self) -> None:
        """Begin to write."""
        self._tasks = [
            asyncio.create_task(self._lane(i), name=f"churnkit-writer-{i}")
            for i in range(len(self._sinks))
        ]

    @property
    def available(self) -> bool:
        """Whether the database answered when it was last asked."""
        return not self._away

    def submit(
        self, predictions: Sequence[PredictionColumns], answer: IdempotentAnswer | None = None
    ) -> asyncio.Future[bool]:
        """Hand in predictions, see ``hand_in``; the future is told of them."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.hand_in(predictions, answer, done)
        return done

    def hand_in(
        self,
        predictions: Sequence[PredictionColumns],
        answer: IdempotentAnswer | None,
        waiter: Waiter,
    ) -> None:
        """Hand in predictions.

        Parameters
        ----------
        waiter : is told True when all of it is in the database; False when the Idempotency-Key
            was there already, and nothing was written; StorageUnreachable when the database went
            away meanwhile, and BadValue when it refused the rows

        Raises
        ------
        StorageUnreachable : the database is away
        LedgerBusy : too many rows wait already
        """
        if self._away:
            raise _again(next(iter(self._away.values())))
        if self._closing:
            raise StorageUnreachable("the service is shutting down.", fix="Send it again.")
        n_rows = len(predictions[0]) if len(predictions) == 1 else sum(map(len, predictions))
        if self.pending_rows + n_rows > self._max_pending_rows and self.pending_rows:
            raise LedgerBusy(
                f"{self.pending_rows:,} predictions wait for the database already.",
                fix="Send the request again after a while, or raise service.max_pending_rows.",
            )
        self.pending_rows += n_rows
        entry = Entry(predictions, answer, waiter, n_rows)
        if n_rows >= _BULK_ROWS and len(self._sinks) > 1:
            self._bulk.append(entry)
            for wake in self._wake[1:]:
                wake.set()
        else:
            self._small.append(entry)
            self._pace.came(time.perf_counter())
            if len(self._small) >= self._wanted:
                self._wake[0].set()

    async def close(self) -> None:
        """Write what waits, then stop."""
        self._closing = True
        for wake in self._wake:
            wake.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sink in self._sinks:
            await sink.close()

    async def _lane(self, number: int) -> None:
        """The first connection takes small requests, the others those with many rows."""
        queue = self._small if number == 0 else self._bulk
        wake, sink = self._wake[number], self._sinks[number]
        while True:
            if not queue:
                if self._closing:
                    return
                wake.clear()
                await wake.wait()
            if number == 0:
                await self._gather(wake)
            if not queue:
                continue
            group = self._take(queue)
            start = time.perf_counter()
            try:
                await self._write_or_fail(sink, group)
            except StorageUnreachable as error:
                self.figures.failures += 1
                self._away[number] = error
                self._give_up(group, error)
            finally:
                self.pending_rows -= sum(entry.n_rows for entry in group)
            if number in self._away:
                await self._recover(sink)
                del self._away[number]
            elif number == 0:
                now = time.perf_counter()
                waiting = len(self._small)
                self._pace.answered(len(group), waiting=waiting, took=now - start, now=now)

    async def _gather(self, wake: asyncio.Event) -> None:
        """Wait for more small requests, where that makes all of them quicker."""
        patience = 0.0 if self._closing else self._pace.patience(len(self._small))
        if not patience:
            return
        self._wanted = self._pace.expected
        wake.clear()
        timer = asyncio.get_running_loop().call_later(patience, wake.set)
        await wake.wait()
        timer.cancel()
        self._wanted = 1

    def _take(self, queue: deque[Entry]) -> list[Entry]:
        group = [queue.popleft()]
        rows = group[0].n_rows
        while queue and rows + queue[0].n_rows <= self._max_group_rows:
            entry = queue.popleft()
            rows += entry.n_rows
            group.append(entry)
        return group

    async def _write_or_fail(self, sink: Sink, group: list[Entry]) -> None:
        """Whatever goes wrong, those who wait are told, and the lane goes on."""
        try:
            await self._write(sink, group)
        except StorageUnreachable:
            raise
        except Exception as error:
            log.exception("predictions could not be written")
            raise StorageUnreachable(
                f"predictions could not be written: {type(error).__name__}.",
                fix="Send the request again after a while.",
            ) from error

    async def _write(self, sink: Sink, group: list[Entry]) -> None:
        start = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                not_written = await sink.commit(group)
        except TimeoutError as error:
            raise StorageUnreachable(
                f"the ledger's database did not commit within {self._timeout:g} s.",
                fix="Send the request again after a while.",
            ) from error
        figures = self.figures
        figures.commits += 1
        figures.rows += sum(entry.n_rows for entry in group)
        figures.seconds.append(time.perf_counter() - start)
        figures.sizes.append(len(group))
        for outcome in not_written:
            entry = outcome.entry if isinstance(outcome, Refused) else outcome
            if entry.done.done():  # whoever asked has gone
                continue
            if isinstance(outcome, Refused):
                entry.done.set_exception(
                    BadValue(
                        f"the ledger's database refuses this: {outcome.why}",
                        fix="Mend the request.",
                    )
                )
            else:
                entry.done.set_result(False)
        for entry in group:
            if not entry.done.done():
                entry.done.set_result(True)

    def _give_up(self, group: Sequence[Entry], error: StorageUnreachable) -> None:
        """Tell this group and all who wait that the database is away."""
        waiting = [*self._small, *self._bulk]
        self._small.clear()
        self._bulk.clear()
        self.pending_rows -= sum(entry.n_rows for entry in waiting)
        for entry in (*group, *waiting):
            if not entry.done.done():
                entry.done.set_exception(_again(error))

    async def _recover(self, sink: Sink) -> None:
        pause = _FIRST_PAUSE
        while not self._closing:
            try:
                async with asyncio.timeout(self._timeout):
                    await sink.reconnect()
            except (StorageUnreachable, TimeoutError):
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            return


def _again(error: StorageUnreachable) -> StorageUnreachable:
    """The same for another request: one exception object must not be raised twice."""
    return StorageUnreachable(error.what, fix=error.fix, **error.where)
