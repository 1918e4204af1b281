"""``churnkit consume``: one process that takes messages until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import uvloop
from aiohttp import web

from churnkit.errors import BrokerUnreachable, MissingDependency, SettingsInvalid
from churnkit.project import Project
from churnkit.settings.broker import BrokerTable
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.operating.online import open_for_service
from churnkit_service.app import make_app
from churnkit_service.broker.delivery import Link
from churnkit_service.broker.work import Worker
from churnkit_service.logs import set_up_logs
from churnkit_service.process import wait_for_database
from churnkit_service.routes import health
from churnkit_service.server import listen
from churnkit_service.service import Service

log = logging.getLogger("churnkit.broker")
Tell = Callable[[str], None]
_PAUSE_SECONDS = 1.0


def run_consumer(folder: Path, *, database_url: str, tell: Tell) -> None:
    """Take messages until SIGTERM or SIGINT, then finish those at work.

    Raises
    ------
    SettingsInvalid : there is nothing to take, or nowhere to put it
    MissingDependency : the broker's package is not installed
    StorageUnreachable : the database does not answer
    """
    with open_for_service(folder, database_url) as project:
        settings = project.settings.broker or BrokerTable()
        _check(settings)
        wait_for_database(project, tell)
        for line in publish(folder, project):
            tell(line)
        set_up_logs()
        uvloop.run(_consume(project, settings, tell))


def _check(settings: BrokerTable) -> None:
    names = [settings.events, settings.requests, settings.predictions, settings.dead_letters]
    given = [name for name in names if name]
    if not (settings.events or settings.requests):
        raise SettingsInvalid(
            "there is nothing to consume.", fix="Set broker.events or broker.requests."
        )
    if len(set(given)) < len(given) or not settings.predictions or not settings.dead_letters:
        raise SettingsInvalid(
            "broker.events, requests, predictions and dead_letters must be four different names.",
            fix="Mend them in churnkit.toml.",
        )


async def _consume(project: Project, settings: BrokerTable, tell: Tell) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = Service(project, project.settings.service)
    worker = Worker(service, settings)
    link = make_link(worker, settings, drain_seconds=service.settings.drain_seconds)
    async with AsyncExitStack() as stack:
        await service.start()
        stack.push_async_callback(service.close)
        if settings.metrics_port:
            await _show_figures(stack, service, settings.metrics_port)
        if not await _connected(link, stop, tell):
            return
        stack.push_async_callback(link.stop)
        sources = " and ".join(name for name in (settings.events, settings.requests) if name)
        tell(f"churnkit consumes {sources} ({settings.kind})")
        await stop.wait()
        log.info("draining")
        service.begin_drain()
        worker.stopping.set()
    log.info("stopped")


async def _connected(link: Link, stop: asyncio.Event, tell: Tell) -> bool:
    """Reach the broker, which may be starting, too; False: told to stop meanwhile."""
    told = ""
    while not stop.is_set():
        try:
            await link.start()
        except BrokerUnreachable as error:
            if str(error) != told:
                told = str(error)
                tell(f"Waiting for the broker: {told}")
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await stop.wait()
        else:
            return True
    return False


def make_link(worker: Worker, settings: BrokerTable, *, drain_seconds: float) -> Link:
    """The connection that the settings name.

    Raises
    ------
    MissingDependency : its package is not installed
    """
    try:
        if settings.kind == "nats":
            from churnkit_service.broker.nats import NatsLink

            return NatsLink(worker, settings, drain_seconds=drain_seconds)
        if settings.kind == "kafka":
            from churnkit_service.broker.kafka import KafkaLink

            return KafkaLink(worker, settings, drain_seconds=drain_seconds)
        from churnkit_service.broker.redis import RedisLink

        return RedisLink(worker, settings, drain_seconds=drain_seconds)
    except ImportError as error:
        raise MissingDependency(
            f"a broker of the kind '{settings.kind}' needs {error.name}.",
            fix=f"Install 'faststream[{settings.kind}]'.",
        ) from error


async def _show_figures(stack: AsyncExitStack, service: Service, port: int) -> None:
    runner = web.AppRunner(make_app(service, health.ENDPOINTS), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    listener: socket.socket = listen(service.settings.host, port)
    await web.SockSite(runner, listener).start()
