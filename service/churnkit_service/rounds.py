"""What a replica does from time to time, beside the requests: each round off their path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from churnkit.errors import ChurnkitError

log = logging.getLogger("churnkit.service")
Work = Callable[[], Awaitable[float | None]]
"""Does one round; says how long to wait for the next one, None: the usual time."""


class Rounds:
    """Runs pieces of work again and again; one that fails is done again the next time."""

    def __init__(self) -> None:
        self._works: list[tuple[str, Work, float]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, name: str, work: Work, *, every_seconds: float) -> None:
        """Do this from the start on."""
        self._works.append((name, work, every_seconds))

    def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._run(*each), name=f"churnkit-{each[0]}")
            for each in self._works
        ]

    async def close(self) -> None:
        """End; what a thread does at this moment is not waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, name: str, work: Work, every: float) -> None:
        trouble = ""
        while True:
            pause: float | None = None
            try:
                pause = await work()
                trouble = ""
            except ChurnkitError as error:
                if str(error) != trouble:
                    log.warning("%s failed", name, extra={"error": error.to_json()})
                trouble = str(error)
            except Exception:  # a mistake of ours must not end the rounds
                log.exception("%s failed", name)
            await asyncio.sleep(every if pause is None else pause)
