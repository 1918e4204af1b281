"""One process that serves until it is told to stop, and then finishes what it began."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import uvloop
from aiohttp import web

from churnkit.project import Project
from churnkit.settings import ServiceTable
from churnkit_service.app import make_app
from churnkit_service.service import Service

log = logging.getLogger("churnkit.service")
_BACKLOG = 1_024
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
    service = Service(project, settings, development=development)
    uvloop.run(_serve(service, listener, ready))


async def _serve(service: Service, listener: socket.socket, ready: Callable[[], None]) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told() -> None:
        if stop.is_set():
            hurry.set()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    settings = service.settings
    await service.start()
    runner = web.AppRunner(
        make_app(service),
        access_log=None,
        handle_signals=False,
        keepalive_timeout=settings.idle_timeout_seconds,
        shutdown_timeout=settings.drain_seconds,
    )
    await runner.setup()
    try:
        # What was imported and loaded stays: the collector need not look through it again and
        # again, nor after every few rows of a request with a thousand.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        await web.SockSite(runner, listener).start()
        ready()
        await stop.wait()
        # Lame duck: /readyz says no and each answer ends its connection, so that load
        # balancers and clients look elsewhere before the door is shut. A second signal hurries.
        service.begin_drain()
        service.jobs.leave()
        log.info("draining")
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.lame_duck_seconds):
                await hurry.wait()
    finally:
        await runner.cleanup()
        await service.close()
    log.info("stopped")
