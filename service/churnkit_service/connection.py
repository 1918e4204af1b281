"""A connection on which nothing but plain requests for predictions came so far."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from churnkit_service.answered import Answered
from churnkit_service.answering import answer, at_once
from churnkit_service.auth import Caller
from churnkit_service.door import Door
from churnkit_service.endpoint import parse_json
from churnkit_service.guard import (
    body_late,
    failed,
    finish,
    is_request_id,
    new_request_id,
    overloaded,
)
from churnkit_service.plain_requests import END, START, Head
from churnkit_service.reading import Asked, read_request


class Connection(asyncio.Protocol):
    """Answers one request after the other.

    It is what the writer tells when a request's predictions are committed (``Waiter``), and what
    asks for them (``Asking``).
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self.service = door.service
        self.request_id = ""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._used_at = door.now
        self._busy = False
        self._waits = False
        """For a commit."""
        self._started = 0.0
        self._answered: Answered
        self._task: asyncio.Task[None] | None = None
        self._parts: list[bytes] = []
        """Of a request whose body has not arrived as a whole."""
        self._missing = 0
        self._next: list[bytes] = []
        """What came before the answer was sent: aiohttp's business, too."""
        self._full = False
        """The client takes no more of what is sent."""

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not one by name
        self._door.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """The client has gone; what it asked for is done nevertheless."""
        self._transport = None
        self._parts = []
        self._door.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """A request, a part of one, or several."""
        if self._busy:
            self._next.append(data)
            assert self._transport is not None
            self._transport.pause_reading()
            return
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data, self._parts = b"".join(self._parts), []
        end = data.find(END) if data.startswith(START) else -1
        known = None if end < 0 else self._door.read(data[:end])
        if known is None:
            self._hand_over(data)
            return
        head, caller = known
        self._missing = end + len(END) + head.length - len(data)
        if self._missing < 0 or head.length > self.service.settings.max_body_bytes:
            self._hand_over(data)
        elif self._missing:
            self._parts = [data]
            self._used_at = self._door.now
        else:
            self._begin(head)
            self._take(head, caller, data[end + len(END) :])

    def pause_writing(self) -> None:
        """The client does not take its answers: it shall not ask for more."""
        self._full = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It took them."""
        self._full = False
        self._go_on()

    # --- Waiter

    def done(self) -> bool:
        """Whether the commit was told of."""
        return not self._waits

    def set_result(self, committed: bool, /) -> None:
        """The predictions are in the database."""
        self._waits = False
        # Not now: the next commit begins first.
        self._loop.call_soon(self._tell)

    def set_exception(self, error: Exception, /) -> None:
        """They are not."""
        self._waits = False
        self._loop.call_soon(self._fail, error)

    # --- Door

    def look(self, now: float) -> None:
        """See that nobody keeps the connection for nothing."""
        settings, transport = self.service.settings, self._transport
        if self._busy or transport is None:
            return
        quiet = now - self._used_at
        if transport.get_write_buffer_size():
            if quiet > settings.request_timeout_seconds:  # the last answer is not taken
                transport.abort()
        elif self._parts:
            if quiet > settings.body_timeout_seconds:
                self._parts = []
                self._begin(None)
                self._fail(body_late(settings.body_timeout_seconds), close=True)
        elif quiet > settings.idle_timeout_seconds:
            transport.close()

    def end(self, *, now: bool) -> None:
        """Close it, if nothing is being answered, or at once."""
        if now and self._task is not None:
            self._task.cancel()
        if self._transport is None:
            return
        if now:
            self._transport.abort()
        elif not self._busy and not self._parts:
            self._transport.close()

    # --- a request's way

    def _begin(self, head: Head | None) -> None:
        self._busy = True
        self._started = time.perf_counter()
        given = None if head is None else head.request_id
        known = given is not None and is_request_id(given)
        self.request_id = given if given is not None and known else new_request_id()
        self.service.in_flight += 1

    def _take(self, head: Head, caller: Caller | None, body: bytes) -> None:
        try:
            if self.service.in_flight > self.service.settings.max_requests_in_flight:
                raise overloaded()
            if caller is None:
                self._task = self._loop.create_task(self._ask(head, body))
            else:
                self._read(caller, body)
        except Exception as error:  # noqa: BLE001 - it is answered and logged
            self._fail(error)

    async def _ask(self, head: Head, body: bytes) -> None:
        """The keys are read again first."""
        try:
            self._read(await self.service.keys.bearer(head.authorization), body)
        except Exception as error:  # noqa: BLE001 - it is answered and logged
            self._fail(error)

    def _read(self, caller: Caller, body: bytes) -> None:
        service = self.service
        caller.require("score")
        service.rates.take(caller.key_id)
        asked = read_request(parse_json(body))
        if at_once(service, asked):
            coroutine = answer(self, asked)
            try:
                coroutine.send(None)
            except StopIteration as end:
                self._hand_in(end.value)
                return
            coroutine.close()  # it waits after all: from the beginning, in a task
        self._task = self._loop.create_task(self._score(asked))

    async def _score(self, asked: Asked) -> None:
        try:
            self._hand_in(await answer(self, asked))
        except Exception as error:  # noqa: BLE001 - it is answered and logged
            self._fail(error)

    def _hand_in(self, answered: Answered) -> None:
        self._answered = answered
        if answered.parts:
            self.service.writer.hand_in(answered.parts, None, self)
            self._waits = True
        else:
            self._tell()

    def _tell(self) -> None:
        answered = self._answered
        try:
            self.service.committed(answered)
        except Exception as error:  # noqa: BLE001 - it is answered and logged
            self._fail(error)
        else:
            self._send(200, self._door.answered(self.request_id, answered.body))

    def _fail(self, error: Exception, *, close: bool = False) -> None:
        response = failed(error, self.request_id)
        finish(response, self.request_id)
        close = close or self.service.draining
        self._send(response.status, self._door.refused(response, close=close), close=close)

    def _send(self, status: int, message: bytes, *, close: bool = False) -> None:
        door, transport = self._door, self._transport
        self.service.in_flight -= 1
        door.watch(status, time.perf_counter() - self._started, self.request_id)
        self._busy = False
        self._task = None
        self._used_at = door.now
        if transport is None:
            return
        transport.write(message)
        if close or self.service.draining:
            transport.close()
        elif self._next:
            self._go_on()

    def _go_on(self) -> None:
        """Read again, and hand over what came too early."""
        if self._transport is None or self._busy or self._full or self._transport.is_closing():
            return
        self._transport.resume_reading()
        if self._next:
            self._hand_over(b"".join(self._next))

    def _hand_over(self, data: bytes) -> None:
        """To aiohttp, for good."""
        transport = self._transport
        assert transport is not None
        self._door.connections.discard(self)
        self._next, self._transport = [], None
        protocol = self._door.behind()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)
