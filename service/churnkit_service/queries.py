"""The ledger's blocking calls, in threads: as many at once as there are connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from churnkit.errors import StorageUnreachable
from churnkit_service.problems import Overloaded

T = TypeVar("T")


class PoolExhausted(Overloaded):
    """All connections to the database are busy."""


class Queries:
    """Runs functions that ask the database.

    Parameters
    ----------
    size : how many may ask at once
    wait_seconds : how long a request waits for its turn
    timeout_seconds : how long it waits for the database's answer
    """

    def __init__(self, size: int, *, wait_seconds: float, timeout_seconds: float) -> None:
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="churnkit-query")
        self._free = asyncio.Semaphore(size)
        self._wait = wait_seconds
        self._timeout = timeout_seconds
        self.busy = 0

    async def run(self, call: Callable[..., T], *arguments: object, **named: object) -> T:
        """Call a blocking function.

        Raises
        ------
        PoolExhausted : no connection became free in time
        StorageUnreachable : the database took too long
        """
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError:
            raise PoolExhausted(
                "all connections to the database are busy.",
                fix="Send the request again after a while, or raise service.pool_size.",
            ) from None
        self.busy += 1
        future = self._threads.submit(lambda: call(*arguments, **named))
        loop = asyncio.get_running_loop()
        # The connection is free when the thread is done, not when somebody stops waiting.
        future.add_done_callback(lambda _: _call_if_open(loop, self._release))
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise StorageUnreachable(
                f"the database did not answer within {self._timeout:g} s.",
                fix="Send the request again after a while.",
            ) from None

    def _release(self) -> None:
        self.busy -= 1
        self._free.release()

    def close(self) -> None:
        """End the threads; one that waits for a database that never answers is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _call_if_open(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
