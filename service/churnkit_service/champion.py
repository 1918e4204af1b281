"""The model that serves: loaded and warm before it answers; the old one answers until then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from churnkit.errors import ChurnkitError, NoChampion
from churnkit.usecases.operating.online import Scorer

log = logging.getLogger("churnkit.service")


class Champion:
    """Follows the journal.

    Parameters
    ----------
    serving : says which version serves; blocks
    load : makes a version ready; blocks
    every_seconds : how often to look
    """

    def __init__(
        self,
        serving: Callable[[], str | None],
        load: Callable[[str], Scorer],
        *,
        every_seconds: float,
    ) -> None:
        self._serving = serving
        self._load = load
        self._every = every_seconds
        self._scorer: Scorer | None = None
        self._trouble = ""
        self._task: asyncio.Task[None] | None = None
        self._look_now = asyncio.Event()

    async def start(self) -> None:
        """Load the champion, if there is one, and begin to follow."""
        await self._look()
        self._task = asyncio.create_task(self._follow(), name="churnkit-champion")

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look_now(self) -> None:
        """Somebody knows that the journal changed."""
        self._look_now.set()

    @property
    def version(self) -> str | None:
        """The version that answers."""
        return None if self._scorer is None else self._scorer.version

    @property
    def scorer(self) -> Scorer:
        """The model that answers.

        Raises
        ------
        NoChampion : none serves yet, or it could not be loaded
        """
        if self._scorer is None:
            raise NoChampion(
                # Why is for the log: it can name folders.
                "the model cannot be loaded." if self._trouble else "no model serves yet.",
                fix="Train one with 'churnkit train'; the service takes it by itself.",
            )
        return self._scorer

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._every):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            self._look_now.clear()
            await self._look()

    async def _look(self) -> None:
        try:
            wanted = await asyncio.to_thread(self._serving)
            if wanted is None or wanted == self.version:
                return
            scorer = await asyncio.to_thread(self._load, wanted)
        except ChurnkitError as error:
            # What served goes on serving: a damaged successor must not take it down.
            if str(error) != self._trouble:
                log.warning("champion not loaded", extra={"error": error.to_json()})
            self._trouble = str(error)
            return
        except Exception:  # the next look may find it mended; the old model serves meanwhile
            log.exception("champion not loaded")
            self._trouble = "unexpected"
            return
        self._scorer, self._trouble = scorer, ""
        log.info("model serves", extra={"model_version": scorer.version})
