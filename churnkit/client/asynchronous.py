"""The service from asyncio; the same methods as the blocking client's."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Collection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from churnkit.client.call import RETRIED, Call, is_passing, refuse
from churnkit.client.feeding import Interrupted, feed_events
from churnkit.client.files import (
    PIECE_BYTES,
    Download,
    Upload,
    appearing,
    beside,
    file_headers,
)
from churnkit.client.jobs_asynchronous import (
    AsyncBatches,
    AsyncDatasets,
    AsyncFeatures,
    AsyncReports,
    AsyncTrainings,
)
from churnkit.client.messages.feed import FeedEvent
from churnkit.client.messages.message import Answer
from churnkit.client.messages.stream import StreamAnswer
from churnkit.client.resources import RequestsLater
from churnkit.client.retrying import Patience
from churnkit.client.streaming import Requests, stream_answers
from churnkit.errors import MissingDependency, ServiceUnreachable

if TYPE_CHECKING:
    import aiohttp

M = TypeVar("M", bound=BaseModel)
_HEARTBEAT_SECONDS = 30.0


class AsyncClient(RequestsLater):
    """Asks the service; belongs to one event loop.

    Parameters
    ----------
    url, others : addresses of the service; when one does not answer, the next is asked
    key : the API key
    patience_seconds : how long a request is sent again, when the service cannot answer now
    timeout_seconds : how long one attempt waits for its answer
    """

    def __init__(
        self,
        url: str,
        *others: str,
        key: str = "",
        patience_seconds: float = 30.0,
        timeout_seconds: float = 30.0,
    ) -> None:
        try:
            import aiohttp
        except ImportError as error:
            raise MissingDependency(
                "the client needs aiohttp.", fix="Install 'churnkit[client]'."
            ) from error
        self._urls = itertools.cycle([one.rstrip("/") for one in (url, *others)])
        self._url = next(self._urls)
        self._key = key
        self._patience = patience_seconds
        timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=5.0)
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=True)
        # A file may take as long as it needs, as long as something comes.
        self._file_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=5.0, sock_read=timeout_seconds
        )
        self.batches = AsyncBatches(self)
        self.datasets = AsyncDatasets(self)
        self.features = AsyncFeatures(self)
        self.trainings = AsyncTrainings(self)
        self.reports = AsyncReports(self)
        self._trouble = (aiohttp.ClientError, OSError, TimeoutError)
        # A quiet feed has a comment every so often: without one the connection is dead.
        self._open_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=5.0, sock_read=3 * _HEARTBEAT_SECONDS
        )
        self._refused_handshake = aiohttp.WSServerHandshakeError

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()

    async def send(self, call: Call[M]) -> M:
        """Send a request until it is answered.

        Raises
        ------
        ServiceRefused : the service will not do it
        ServiceUnreachable : it could not for longer than the client's patience
        """
        patience = Patience(self._patience, time.monotonic())
        headers = call.headers(self._key)
        timeout = self._file_timeout if isinstance(call, Upload) else self._session.timeout
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                async with self._session.request(
                    call.method,
                    url + call.target(),
                    # A file is read from its beginning each time.
                    data=beside(call.pieces()) if isinstance(call, Upload) else call.content(),
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                ) as answer:
                    told = await answer.read()
                if not is_passing(answer.status, told):
                    return call.read(answer.status, told)
                said = f"it answered with status {answer.status}"
                retry_after = answer.headers.get("Retry-After")
            except self._trouble as error:
                said = str(error) or type(error).__name__
            pause = patience.pause(time.monotonic(), retry_after)
            if pause is None:
                raise ServiceUnreachable(
                    f"the service cannot answer: {said}.",
                    fix="Is it running, and is its database?",
                    url=url,
                )
            self._url = next(self._urls)
            await asyncio.sleep(pause)

    async def download(self, asked: Download, path: Path | str) -> Path:
        """Fetch a file; it appears whole or not at all.

        Raises
        ------
        ServiceRefused : the service has no such file
        ServiceUnreachable : it did not send it for longer than the client's patience
        DiskFull, FolderReadOnly : it cannot be written here
        """
        patience, target = Patience(self._patience, time.monotonic()), Path(path)
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                async with self._session.get(
                    url + asked.target(),
                    headers=file_headers(self._key),
                    allow_redirects=False,
                    timeout=self._file_timeout,
                ) as answer:
                    if answer.status == 200:
                        with appearing(target) as file:
                            async for piece in answer.content.iter_chunked(PIECE_BYTES):
                                await asyncio.to_thread(file.write, piece)
                        return target
                    told = await answer.read()
                if not is_passing(answer.status, told):
                    refuse(answer.status, told)
                said = f"it answered with status {answer.status}"
                retry_after = answer.headers.get("Retry-After")
            except self._trouble as error:
                said = str(error) or type(error).__name__
            pause = patience.pause(time.monotonic(), retry_after)
            if pause is None:
                raise ServiceUnreachable(
                    f"the service cannot answer: {said}.",
                    fix="Is it running, and is its database?",
                    url=url,
                )
            self._url = next(self._urls)
            await asyncio.sleep(pause)

    def stream(self, requests: Requests, *, window: int = 32) -> AsyncGenerator[StreamAnswer]:
        """Score messages over a WebSocket; their answers come in the same order.

        ``calls.stream.stream_request`` makes a message. What could not be scored has a
        ``problem`` in its answer. After a lost connection the client connects again, to the next
        address if there are several, and sends what was not answered under its keys.

        Parameters
        ----------
        window : so many messages may wait for their answer; until then no further one is taken
        """
        return stream_answers(self, requests, window=window, patience_seconds=self._patience)

    def feed(
        self, kinds: Collection[str] | None = None, *, last_event_id: str | None = None
    ) -> AsyncGenerator[FeedEvent]:
        """What happens, as it happens, without an end of its own.

        After a lost connection the client connects again, to the next address if there are
        several, and goes on behind the last event; a ``gap`` says that something was missed.

        Parameters
        ----------
        kinds : such as ``{"predictions", "journal", "job"}``; None: all
        last_event_id : an event's ``id``, to go on behind it
        """
        return feed_events(
            self, kinds, last_event_id=last_event_id, patience_seconds=self._patience
        )

    async def open_lines(self, target: str, headers: dict[str, str]) -> AsyncGenerator[bytes]:
        """See ``feeding.Lines``."""
        url = self._url
        call = Call("GET", target, Answer)
        try:
            async with self._session.get(
                url + target,
                headers={**call.headers(self._key), **headers, "Accept": "text/event-stream"},
                timeout=self._open_timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    told = await answer.read()
                    if not is_passing(answer.status, told):
                        call.read(answer.status, told)
                    raise Interrupted(f"it answered with status {answer.status}")
                async for line in answer.content:
                    yield line
        except self._trouble as error:
            raise Interrupted(str(error) or type(error).__name__) from error
        finally:
            self._url = next(self._urls)

    async def open_socket(self, path: str) -> aiohttp.ClientWebSocketResponse | str:
        """See ``streaming.Sockets``."""
        url = self._url
        try:
            return await self._session.ws_connect(
                url + path,
                headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
                heartbeat=_HEARTBEAT_SECONDS,
                max_msg_size=0,
            )
        except self._refused_handshake as error:
            said = f"it answered with status {error.status}"
            if error.status not in RETRIED:
                # The same question without WebSocket is answered with the problem in full.
                await self.send(Call("GET", path, Answer))
        except self._trouble as error:
            said = str(error) or type(error).__name__
        self._url = next(self._urls)
        return said
