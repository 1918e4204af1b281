"""A consumer as a process of its own, and the other end of the broker."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import nats
from churnkit_service.broker.consume import make_link
from churnkit_service.broker.work import Worker
from churnkit_service.service import Service
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from churnkit.settings.broker import BrokerTable
from churnkit.usecases.operating.online import open_for_service

SUBJECTS = [f"churnkit.{name}" for name in ("events", "requests", "predictions", "dead_letters")]


@contextmanager
def consumer(
    folder: Path, database_url: str, nats_url: str, **settings: object
) -> Iterator[subprocess.Popen[bytes]]:
    """``churnkit consume``; it is killed at the end if it still runs."""
    given = {"url": nats_url, "ack_wait_seconds": 2, "retry_seconds": 0.2, **settings}
    environ = {f"CHURNKIT_BROKER_{name.upper()}": str(value) for name, value in given.items()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "churnkit_service.broker", "-C", str(folder)],
            env={**os.environ, "DATABASE_URL": database_url, **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            end = time.monotonic() + 60
            while True:
                log.seek(0)
                said = log.read()
                if b"churnkit consumes" in said:
                    break
                assert process.poll() is None, said.decode()
                assert time.monotonic() < end, said.decode()
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


@asynccontextmanager
async def consuming(
    folder: Path, database_url: str, nats_url: str, **settings: object
) -> AsyncIterator[None]:
    """The same within this process, for tests that need not kill it."""
    given = {"url": nats_url, "ack_wait_seconds": 2, "retry_seconds": 0.2, **settings}
    table = BrokerTable.model_validate(given)
    with open_for_service(folder, database_url) as project:
        service = Service(project, project.settings.service)
        worker = Worker(service, table)
        link = make_link(worker, table, drain_seconds=5)
        await service.start()
        try:
            await link.start()
            try:
                yield
            finally:
                service.begin_drain()
                worker.stopping.set()
                await link.stop()
        finally:
            await service.close()


@asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    """The stream, made as a deployment would make it before the first consumer."""
    client = await nats.connect(url, connect_timeout=5)
    try:
        stream = client.jetstream()
        names = [one.config.name for one in await stream.streams_info()]
        if "CHURNKIT" not in names:
            await stream.add_stream(
                name="CHURNKIT", subjects=SUBJECTS, duplicate_window=600, num_replicas=1
            )
        yield stream
    finally:
        await client.close()


async def send(
    stream: JetStreamContext, subject: str, content: Any, message_id: str | None = None
) -> None:
    """Publish a message; bytes go as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Nats-Msg-Id": message_id} if message_id else None
    await stream.publish(f"churnkit.{subject}", body, headers=headers)


async def take(
    stream: JetStreamContext, subject: str, n: int, *, seconds: float = 40.0
) -> list[Msg]:
    """All messages of a subject from its beginning, once there are so many."""
    subscription = await stream.subscribe(f"churnkit.{subject}", ordered_consumer=True)
    found: list[Msg] = []
    end = time.monotonic() + seconds
    while len(found) < n:
        left = end - time.monotonic()
        assert left > 0, f"{len(found)} of {n} messages came"
        try:
            found.append(await subscription.next_msg(timeout=left))
        except nats.errors.TimeoutError:
            continue
    try:  # and no more than these
        while True:
            found.append(await subscription.next_msg(timeout=0.3))
    except nats.errors.TimeoutError:
        await subscription.unsubscribe()
    return found


async def settled(stream: JetStreamContext, role: str, *, seconds: float = 40.0) -> None:
    """Until every message of a consumer is acknowledged."""
    end = time.monotonic() + seconds
    while True:
        info = await stream.consumer_info("CHURNKIT", f"churnkit-{role}")
        if not info.num_pending and not info.num_ack_pending:
            return
        assert time.monotonic() < end, info
        await asyncio.sleep(0.05)
