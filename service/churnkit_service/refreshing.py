"""This replica's turn to take new predictions into the latest scores and the figures."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from churnkit.project import Project
from churnkit.usecases.monitoring.refreshing import Refresher

_SHARE = 2
"""After a refresh it rests for so many times its duration: writers come first."""


class Refreshing:
    """Refreshes in a thread and on a connection of its own.

    Parameters
    ----------
    every_seconds : between two refreshes, of whichever replica
    """

    def __init__(self, project: Project, *, every_seconds: float) -> None:
        self._project = project
        self._every = every_seconds
        self._refresher: Refresher | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="churnkit-refresh")

    async def round(self) -> float:
        """Take in what is new; gives the seconds until the next turn."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._refresh)

    def _refresh(self) -> float:
        if self._refresher is None:
            self._refresher = Refresher(self._project, every_seconds=0.9 * self._every)
        start = time.perf_counter()
        done = self._refresher.refresh(datetime.now(UTC))
        rest = _SHARE * (time.perf_counter() - start)
        return rest if done is not None and done.more else max(self._every, rest)

    async def close(self) -> None:
        """End the thread; a refresh under way is broken off, and done again by others."""
        if self._refresher is not None:
            self._refresher.cancel()
        await asyncio.to_thread(self._thread.shutdown, wait=True)
        if self._refresher is not None:
            self._refresher.close()
