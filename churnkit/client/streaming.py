"""The WebSocket that scores, from asyncio: messages in, answers out, in the same order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

from churnkit.client.call import new_key
from churnkit.client.messages.stream import StreamAnswer, StreamRequest
from churnkit.client.retrying import Patience
from churnkit.errors import ServiceRefused, ServiceUnreachable

if TYPE_CHECKING:
    import aiohttp

Requests = Iterable[StreamRequest] | AsyncIterable[StreamRequest]
PATH = "/v1/stream"
_TOO_LARGE = 1009


class Sockets(Protocol):
    """Opens WebSockets; the client does."""

    async def open_socket(self, path: str) -> aiohttp.ClientWebSocketResponse | str:
        """A WebSocket to the service, or why there is none now; then the next address is asked.

        Raises
        ------
        ServiceRefused : the service does not let the client in
        """


async def stream_answers(
    client: Sockets, requests: Requests, *, window: int, patience_seconds: float
) -> AsyncGenerator[StreamAnswer]:
    """Send messages and give their answers, in order.

    A message that was not answered when a connection came to its end is sent again over the next
    one, under its key, so that it works once.

    Parameters
    ----------
    window : so many messages may wait for their answer; until then no further one is taken
    patience_seconds : how long to go on without an answer, when connections end or are refused

    Raises
    ------
    ServiceRefused : the service does not let the client in, or a message is too large
    ServiceUnreachable : no service answered for so long
    """
    source = _each(requests)
    stream = _Stream(client, source, window, patience_seconds)
    feeder = asyncio.create_task(stream.feed())
    try:
        while await stream.waits_for_answers():
            async for answer in stream.answers():
                yield answer
        await feeder  # it raises what the source raised
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
        await stream.close()
        await source.aclose()


class _Stream:
    """What was taken from the source and is not answered, and the connection of the moment."""

    def __init__(
        self,
        client: Sockets,
        source: AsyncGenerator[StreamRequest],
        window: int,
        patience_seconds: float,
    ) -> None:
        self._client = client
        self._source = source
        self._patience_seconds = patience_seconds
        self._patience = Patience(patience_seconds, time.monotonic())
        self._free = asyncio.Semaphore(window)
        self._open: deque[StreamRequest] = deque()
        """Not answered; the first ``_sent`` of them were sent over this connection."""
        self._sent = 0
        self._more = asyncio.Event()
        self._ended = False
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def feed(self) -> None:
        """Take messages from the source while the window has room."""
        try:
            while True:
                await self._free.acquire()
                try:
                    request = await anext(self._source)
                except StopAsyncIteration:
                    return
                if request.idempotency_key is None:
                    request = request.model_copy(update={"idempotency_key": new_key()})
                self._open.append(request)
                self._more.set()
        finally:
            self._ended = True
            self._more.set()
            if not self._open:
                await self.close()  # whoever waits for an answer learns that there is none

    async def waits_for_answers(self) -> bool:
        """Wait for a message without an answer; False: there will be none."""
        while not self._open and not self._ended:
            self._more.clear()
            await self._more.wait()
        return bool(self._open)

    async def answers(self) -> AsyncGenerator[StreamAnswer]:
        """The answers that come over one connection."""
        socket = self._socket = await self._connect()
        self._sent = 0
        sender = asyncio.create_task(self._send(socket))
        answered = False
        try:
            while self._open or not self._ended:
                answer = _read((await socket.receive()).data)
                if answer is None:
                    break
                self._open.popleft()
                self._sent -= 1
                self._free.release()
                self._patience = Patience(self._patience_seconds, time.monotonic())
                answered = True
                yield answer
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            await self.close()
        if socket.close_code == _TOO_LARGE and self._open:
            raise ServiceRefused(
                "a message is larger than the service takes.",
                fix="Send fewer items in one message.",
                id=self._open[0].id,
            )
        if self._open and not answered:
            await self._pause(f"the connection was closed ({socket.close_code})")

    async def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            await self._socket.close()

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        with suppress(OSError):  # whoever waits for answers learns it, too
            while True:
                self._more.clear()
                while self._sent < len(self._open):
                    request = self._open[self._sent]
                    self._sent += 1
                    await socket.send_str(request.model_dump_json(exclude_unset=True))
                await self._more.wait()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        while isinstance(socket := await self._client.open_socket(PATH), str):
            await self._pause(socket)
        return socket

    async def _pause(self, said: str) -> None:
        """Wait before the next attempt, if there is to be one."""
        pause = self._patience.pause(time.monotonic(), None)
        if pause is None:
            raise ServiceUnreachable(
                f"the service cannot answer: {said}.", fix="Is it running, and is its database?"
            )
        await asyncio.sleep(pause)


def _read(content: object) -> StreamAnswer | None:
    """The answer; None: the connection came to its end."""
    if not isinstance(content, str):
        return None
    try:
        return StreamAnswer.model_validate_json(content)
    except ValidationError:
        raise ServiceUnreachable(
            "the answer is not what this client knows.",
            fix="Is the address churnkit's, and is the client as new as the service?",
            path=PATH,
        ) from None


async def _each(requests: Requests) -> AsyncGenerator[StreamRequest]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
