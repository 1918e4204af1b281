"""The door of the service: who only asks for predictions is answered there.

A connection's requests for predictions in the plain form (``plain_requests``) are read, scored
and answered without a task, a request object and a response object each; they cost more than
the score. The first request of any other kind takes the connection over to aiohttp, which keeps
it to its end. What is checked, recorded, counted and answered is the same on both ways: the same
functions do it.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Protocol

from aiohttp import web

from churnkit_service.auth import Caller
from churnkit_service.behind import Behind
from churnkit_service.plain_requests import Head, read_head
from churnkit_service.service import Service

PATH = "/v1/predictions"
_MOST_HEADS = 256
_LONGEST_LOOK_SECONDS = 1.0


class Visitor(Protocol):
    """A connection that stands at the door."""

    def look(self, now: float) -> None:
        """See that nobody keeps the connection for nothing."""

    def end(self, *, now: bool) -> None:
        """Close it, if nothing is being answered, or at once."""


class Door:
    """What all connections share that ask for predictions; belongs to one event loop.

    Parameters
    ----------
    server : aiohttp's, for the connections that ask for anything else
    """

    def __init__(self, service: Service, server: web.Server) -> None:
        self.service = service
        self.watch = service.watch("POST", PATH)
        self.connections: set[Visitor] = set()
        self._server = server
        self._behind: set[Behind] = set()
        vary = "Vary: Origin\r\n" if service.settings.cors_origins else ""
        self._head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
            f"X-Content-Type-Options: nosniff\r\nServer: churnkit\r\n{vary}"
        )
        # Clients send the same head again and again. What is known of it holds as long as the
        # copy of the API keys that it was checked with.
        self._heads: dict[bytes, tuple[Head, Caller]] = {}
        self._generation = -1
        self._traced = service.settings.tracing
        """Spans are begun in aiohttp's handlers."""
        self._looking: asyncio.Task[None] | None = None
        settings = service.settings
        shortest = min(
            settings.idle_timeout_seconds,
            settings.body_timeout_seconds,
            settings.request_timeout_seconds,
        )
        self._every = min(_LONGEST_LOOK_SECONDS, shortest / 4)
        self.now = time.monotonic()
        """When the door last looked; to ask for the time with each request costs more."""
        service.at_the_door = lambda: len(self.connections)
        self._look()

    def behind(self) -> Behind:
        """The protocol of a connection that is handed over to aiohttp."""
        protocol = Behind(self.service, self._server, self._behind.discard)
        self._behind.add(protocol)
        return protocol

    def start(self) -> None:
        """Begin to look after the connections."""
        self._looking = asyncio.create_task(self._look_after(), name="churnkit-door")

    async def close(self, seconds: float) -> None:
        """End the connections; who is being answered gets his answer, for so long."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        end = time.monotonic() + seconds
        while self.connections:
            late = time.monotonic() > end
            for connection in tuple(self.connections):
                connection.end(now=late)
            if late:
                break
            await asyncio.sleep(0.01)

    def read(self, head: bytes) -> tuple[Head, Caller | None] | None:
        """What a head says, and who sends it, where that is known; None: it is not plain."""
        if self._traced:
            return None
        keys = self.service.keys
        if not keys.fresh:
            found = read_head(head)
            return None if found is None else (found, None)
        if self._generation != keys.generation:
            self._heads.clear()
            self._generation = keys.generation
        known = self._heads.get(head)
        if known is not None:
            return known
        found = read_head(head)
        if found is None:
            return None
        caller = keys.known(found.authorization)
        # Who names each request himself never sends the same head again.
        if caller is not None and found.request_id is None:
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[head] = found, caller
        return found, caller

    def answered(self, request_id: str, body: bytes) -> bytes:
        """An answer with predictions, as it is sent."""
        close = "Connection: close\r\n" if self.service.draining else ""
        return (
            f"{self._head}X-Request-Id: {request_id}\r\nContent-Length: {len(body)}\r\n"
            f"{self._date}{close}\r\n"
        ).encode("ascii") + body

    def refused(self, response: web.Response, *, close: bool) -> bytes:
        """Another answer, as it is sent."""
        assert isinstance(response.body, bytes)
        fields = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
        vary = "Vary: Origin\r\n" if self.service.settings.cors_origins else ""
        ending = "Connection: close\r\n" if close else ""
        return (
            f"HTTP/1.1 {response.status} {response.reason}\r\n{fields}{vary}"
            f"Content-Length: {len(response.body)}\r\n{self._date}{ending}\r\n"
        ).encode("ascii") + response.body

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            self._look()

    def _look(self) -> None:
        # What a connection did since the look before has that look's time: seen from there, nobody
        # is let go before his time.
        before, self.now = self.now, time.monotonic()
        self._date = f"Date: {formatdate(usegmt=True)}\r\n"
        for connection in tuple(self.connections):
            connection.look(before)
        for protocol in tuple(self._behind):
            protocol.look(before)
