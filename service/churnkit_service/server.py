"""One process that serves until it is told to stop, and then finishes what it began."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import uvloop
from aiohttp import web

from churnkit.project import Project
from churnkit.settings.service import ServiceTable
from churnkit_service.app import make_app
from churnkit_service.connection import Connection
from churnkit_service.door import Door
from churnkit_service.service import Service

log = logging.getLogger("churnkit.service")
_BACKLOG = 1_024
_SWITCH_SECONDS = 0.0005
_GC_THRESHOLDS = (20_000, 20, 20)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; several processes may accept from it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


def serve(
    project: Project,
    settings: ServiceTable,
    listener: socket.socket,
    *,
    development: bool = False,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    ready : called when requests are answered
    """
    # Threads that compute (many rows, refreshes) hand the interpreter's lock over this often: with
    # Python's own 5 ms, each time that the event loop lets go of it costs so much.
    sys.setswitchinterval(_SWITCH_SECONDS)
    service = Service(project, settings, development=development)
    uvloop.run(_serve(service, listener, ready))


@asynccontextmanager
async def answering(service: Service, listener: socket.socket) -> AsyncIterator[None]:
    """A service that was started answers who connects, until the block ends.

    Then nobody is let in any more, and who is being answered gets his answer.
    """
    settings = service.settings
    runner = web.AppRunner(
        make_app(service),
        handle_signals=False,
        shutdown_timeout=settings.drain_seconds,
    )
    await runner.setup()
    try:
        assert runner.server is not None
        door = Door(service, runner.server)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(door), sock=listener, backlog=_BACKLOG)
        door.start()
        try:
            yield
        finally:
            server.close()
            await door.close(settings.drain_seconds)
    finally:
        await runner.cleanup()


async def _serve(service: Service, listener: socket.socket, ready: Callable[[], None]) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    await service.start()
    # What was imported and loaded stays: the collector need not look through it again and
    # again, nor after every few rows of a request with a thousand.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        async with answering(service, listener):
            ready()
            await stop.wait()
            # Lame duck: /readyz says no and each answer ends its connection, so that load
            # balancers and clients look elsewhere before the door is shut. A second signal
            # hurries.
            service.begin_drain()
            service.jobs.leave()
            log.info("draining")
            with suppress(TimeoutError):
                async with asyncio.timeout(service.settings.lame_duck_seconds):
                    await hurry.wait()
    finally:
        await service.close()
    log.info("stopped")
