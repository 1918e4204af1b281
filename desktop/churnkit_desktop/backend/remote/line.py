"""The line to a service: one thread with an event loop, one client, one state of the connection.

Requests are made there, whoever asks; what the service tells by itself waits in a deque until the
window's timer takes it. A lost connection is tried again with back-off. What reads fails at once
and is read anew when the line is back; what changes something waits, and is done once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.call import Call
from churnkit.client.calls import models
from churnkit.client.files import Download
from churnkit.client.messages.feed import FeedEvent
from churnkit.errors import ServiceRefused, ServiceUnreachable
from churnkit_desktop.backend.live import Outage
from churnkit_desktop.backend.lost import ConnectionLost
from churnkit_desktop.language import tr

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
PATIENCE_SECONDS = 2.5
"""So long a request is tried again before the connection counts as lost."""
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
MOST_NEWS = 20_000
_REFUSED_FEED_SECONDS = 60.0


class Line:
    """Asks one service; its methods may be called from any thread but its own.

    Parameters
    ----------
    url : of the service
    key : the API key; empty: none
    """

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/")
        self.news: deque[FeedEvent] = deque(maxlen=MOST_NEWS)
        self.missed = 0
        """Times that the feed could not tell everything."""
        self.outage: Outage | None = None
        self.feed_refused = ""
        """Why the service does not let this key listen; empty: it does."""
        self._closed = False
        self._waiting = 0
        self._over: asyncio.Future[None] | None = None
        self._hurry = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(
            ThreadPoolExecutor(2, thread_name_prefix="console line helper")
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="console line")
        self._thread.start()
        try:
            self._client = self._result(self.submit(self._open(key)))
        except BaseException:
            self._closed = True
            self._stop()
            raise

    async def _open(self, key: str) -> AsyncClient:
        return AsyncClient(self.url, key=key, patience_seconds=PATIENCE_SECONDS)

    # --- from other threads ------------------------------------------------------------

    def ask(self, call: Call[M], *, keep: bool = False) -> M:
        """Send a request and wait for its answer.

        Parameters
        ----------
        keep : wait for a lost connection; else it fails at once

        Raises
        ------
        ConnectionLost : the service does not answer
        ServiceRefused : it will not do it
        """
        return self._result(self.submit(self.send(call, keep=keep)))

    def ask_all(self, *calls: Call[Any]) -> list[Any]:
        """Send requests side by side; their answers in order."""

        async def together() -> list[Any]:
            return list(await asyncio.gather(*(self.send(call) for call in calls)))

        return self._result(self.submit(together()))

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run work on the line's loop."""
        if self._closed:
            work.close()
            raise ConnectionLost(tr("the connection was closed."), url=self.url)
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def listen(self) -> None:
        """Take the service's news from now on."""
        self.submit(self._listen())

    def try_now(self) -> None:
        """Do not wait until the next try."""
        self._call(self._hurry.set)

    def give_up(self) -> None:
        """Let all requests fail that wait for the connection; nothing of them was done."""

        def give_up() -> None:
            over, self._over = self._over, asyncio.Future(loop=self._loop)
            if over is not None and not over.done():
                over.set_exception(self._lost(tr("it was given up")))
                over.exception()  # nobody may be waiting

        if self.outage is not None:
            self._call(give_up)

    def close(self) -> None:
        """End everything; may be called twice."""
        if self._closed:
            return
        self._closed = True
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, run: Any) -> None:
        if not self._closed:
            self._loop.call_soon_threadsafe(run)

    def _result(self, future: Future[T]) -> T:
        try:
            return future.result()
        except (CancelledError, asyncio.CancelledError):
            raise ConnectionLost(tr("the connection was closed."), url=self.url) from None

    # --- on the line's loop ------------------------------------------------------------

    async def send(self, call: Call[M], *, keep: bool = False) -> M:
        """See :meth:`ask`; to be awaited on the line's loop."""
        while True:
            over = self._over
            if over is not None:
                if not keep:
                    raise self._lost(self.outage.why if self.outage else tr("no answer"))
                await self._wait_for(over)
                continue
            try:
                return await self._client.send(call)
            except ServiceUnreachable as error:
                if isinstance(error.__cause__, ValueError):
                    raise  # it answered, but not as this client knows
                self._note_lost(error)

    async def fetch(self, asked: Download, path: Path) -> Path:
        """Fetch a file; it appears whole or not at all. To be awaited on the line's loop."""
        return await self._client.download(asked, path)

    async def back(self) -> None:
        """Wait until the service answers."""
        if self._over is not None:
            with suppress(ConnectionLost):
                await asyncio.shield(self._over)

    async def _wait_for(self, over: asyncio.Future[None]) -> None:
        self._waiting += 1
        self._tell()
        try:
            await asyncio.shield(over)
        finally:
            self._waiting -= 1
            self._tell()

    def _lost(self, why: str) -> ConnectionLost:
        return ConnectionLost(
            tr("the service does not answer: {why}.").format(why=why),
            fix=tr("The console tries again by itself."),
            url=self.url,
        )

    def _note_lost(self, error: ServiceUnreachable) -> None:
        if self._over is None:
            self._over = self._loop.create_future()
            now = time.monotonic()
            self.outage = Outage(_short(error.what), now, now, self._waiting)
            probing = self._loop.create_task(self._probe(), name="console line probe")
            probing.add_done_callback(lambda task: None if task.cancelled() else task.exception())

    def _tell(self, next_try: float | None = None) -> None:
        if self.outage is not None:
            when = self.outage.next_try if next_try is None else next_try
            self.outage = replace(self.outage, next_try=when, waiting=self._waiting)

    async def _probe(self) -> None:
        """Try again, later each time, until somebody answers."""
        tries = 0
        while True:
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            self._tell(time.monotonic() + pause)
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            tries += 1
            try:
                await self._client.send(models.aliases())
            except ServiceUnreachable:
                continue
            except ServiceRefused:
                pass  # it answers
            over, self._over, self.outage = self._over, None, None
            if over is not None and not over.done():
                over.set_result(None)
            return

    async def _listen(self) -> None:
        last: str | None = None
        while True:
            try:
                async for event in self._client.feed(last_event_id=last):
                    self.feed_refused = ""
                    last = event.id or last
                    if event.kind == "gap":
                        self.missed += 1
                    self.news.append(event)
            except ServiceUnreachable as error:
                self._note_lost(error)
                await self.back()
            except ServiceRefused as error:
                self.feed_refused = f"{error.what} {error.fix}".strip()
                await asyncio.sleep(_REFUSED_FEED_SECONDS)

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


def _short(what: str) -> str:
    return what.removeprefix("the service cannot answer: ").rstrip(".")
