"""Load over what stays open: a WebSocket, and a broker's subjects."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator

import nats
from nats.js import JetStreamContext

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.calls.stream import stream_request
from churnkit.client.messages.stream import StreamRequest
from churnkit_stack.acknowledged import UNSURE, Acknowledged
from churnkit_stack.asking import Asking

_PATIENCE_SECONDS = 90.0
_PAUSE_SECONDS = 0.1
MESSAGE_ROWS = 2
"""Customers in each message."""


class MessageLoad:
    """A stream and a publisher on an event loop of their own.

    Parameters
    ----------
    nats_url : of the broker; empty: no messages over it
    """

    def __init__(
        self, url: str, key: str, nats_url: str, asking: Asking, done: Acknowledged, *, seed: int
    ) -> None:
        self._url, self._key, self._nats_url = url, key, nats_url
        self._asking, self._done = asking, done
        self._dice = random.Random(f"{seed}/messages")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="messages", daemon=True)
        self.published: list[str] = []
        """Ids of messages that the broker acknowledged."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was begun."""
        self._over.set()
        self._thread.join(_PATIENCE_SECONDS + 60)
        if self._thread.is_alive():
            self._done.failed("the messages' load does not end")

    def _run(self) -> None:
        try:
            asyncio.run(self._both())
        except Exception as error:  # noqa: BLE001 - whatever it is, the run has to know
            self._done.failed(f"messages: {type(error).__name__}: {error}")

    async def _both(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stream())
            if self._nats_url:
                group.create_task(self._publish())

    async def _stream(self) -> None:
        async with AsyncClient(
            self._url, key=self._key, patience_seconds=_PATIENCE_SECONDS
        ) as client:
            async for answer in client.stream(self._messages(), window=8):
                if answer.problem is not None and UNSURE.decode() in answer.problem.type:
                    self._done.no_answer("stream", MESSAGE_ROWS)
                elif answer.problem is not None:
                    # The service did not score it, and says so: nothing was promised.
                    self._done.said_no("stream")
                else:
                    ids = [one.prediction_id for one in answer.predictions]
                    self._done.predicted("stream", ids)

    async def _messages(self) -> AsyncIterator[StreamRequest]:
        while not self._over.is_set():
            yield stream_request(
                self._asking.some("stream", MESSAGE_ROWS, self._dice), as_of=self._asking.as_of
            )
            await asyncio.sleep(_PAUSE_SECONDS)  # the load's rate

    async def _publish(self) -> None:
        client = await nats.connect(
            self._nats_url, max_reconnect_attempts=-1, reconnect_time_wait=0.5, error_cb=_quiet
        )
        try:
            stream = client.jetstream()
            number = 0
            while not self._over.is_set():
                number += 1
                name = f"soak-{number}"
                content = {"id": name, **self._asking.body("broker", MESSAGE_ROWS, self._dice)}
                await self._put(stream, name, json.dumps(content).encode())
                await asyncio.sleep(2 * _PAUSE_SECONDS)  # the load's rate
        finally:
            await client.close()

    async def _put(self, stream: JetStreamContext, name: str, body: bytes) -> None:
        """Publish until it is acknowledged; the broker drops what it has already."""
        while True:
            try:
                headers = {"Nats-Msg-Id": name}
                await stream.publish("churnkit.requests", body, timeout=5, headers=headers)
            except (nats.errors.Error, OSError):
                await asyncio.sleep(0.5)  # the broker is away, and does not say when it is back
            else:
                self.published.append(name)
                return


async def _quiet(error: Exception) -> None:
    """The broker is stopped on purpose; the client connects again by itself."""


async def answers(nats_url: str, n: int, seconds: float) -> list[dict[str, object]]:
    """What the consumer published, once there is an answer to so many messages."""
    client = await nats.connect(nats_url, connect_timeout=10, error_cb=_quiet)
    found: list[dict[str, object]] = []
    try:
        stream = client.jetstream()
        taken = await stream.subscribe("churnkit.predictions", ordered_consumer=True)
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            try:
                message = await taken.next_msg(timeout=1.0)
                found.append(json.loads(message.data))
            except nats.errors.TimeoutError:
                if len({one["message_id"] for one in found}) >= n:
                    break
    finally:
        await client.close()
    return found
