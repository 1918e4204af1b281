"""Redis streams: a consumer group for each stream; what a dead consumer left is taken over.

Not tested against a server: its options and its handling of a message are tested in memory. Redis
does not drop a message that is published twice; whoever reads predictions takes each
``message-id`` once.
"""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

from faststream import AckPolicy
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub
from redis.exceptions import RedisError, ResponseError

from churnkit.errors import BrokerUnreachable
from churnkit.settings.broker import BrokerTable
from churnkit_service.broker.delivery import Delivery, Publication, Role
from churnkit_service.broker.in_order import MESSAGE_ID, settle
from churnkit_service.broker.work import Worker

USUAL_URL = "redis://127.0.0.1:6379"
framework = logging.getLogger("churnkit.broker.faststream")
framework.setLevel(logging.WARNING)


class RedisLink:
    """See ``delivery.Link``."""

    def __init__(self, worker: Worker, settings: BrokerTable, *, drain_seconds: float) -> None:
        self._worker = worker
        self._settings = settings
        self.broker = RedisBroker(
            settings.url or USUAL_URL,
            graceful_timeout=drain_seconds,
            decoder=_whole,
            apply_types=False,
            logger=framework,
            log_level=logging.DEBUG,
        )
        roles: tuple[Role, ...] = ("events", "requests")
        for role in roles:
            self._listen(role, getattr(settings, role))

    def _listen(self, role: Role, stream: str) -> None:
        if not stream:
            return

        async def handle(message: RedisStreamMessage) -> None:
            done = await settle(
                self._worker,
                Delivery(role, message.body, _message_id(stream, message)),
                self._publish,
                predictions=self._settings.predictions,
                dead_letters=self._settings.dead_letters,
            )
            if done:
                await message.ack()

        me = f"{socket.gethostname()}-{os.getpid()}"
        shared: dict[str, Any] = {
            "group": self._settings.group,
            "consumer": me,
            "last_id": ">",
            "max_records": 1,
        }
        idle = round(1_000 * self._settings.ack_wait_seconds)
        for source in (
            StreamSub(stream, **shared),
            StreamSub(stream, **shared, min_idle_time=idle),
        ):
            self.broker.subscriber(stream=source, ack_policy=AckPolicy.MANUAL, no_reply=True)(
                handle
            )

    async def start(self) -> None:
        """See ``Link``."""
        try:
            client = await self.broker.connect()
            for stream in (self._settings.events, self._settings.requests):
                if stream:
                    # From the stream's beginning: what was sent before the first consumer counts.
                    try:
                        await client.xgroup_create(
                            stream, self._settings.group, id="0", mkstream=True
                        )
                    except ResponseError as error:
                        if "BUSYGROUP" not in str(error):
                            raise
            await self.broker.start()
        except (RedisError, OSError) as error:
            raise BrokerUnreachable(
                f"Redis does not answer: {str(error) or type(error).__name__}.",
                fix="Check broker.url, such as redis://localhost:6379.",
            ) from error

    async def stop(self) -> None:
        """See ``Link``."""
        await self.broker.stop()

    async def _publish(
        self, stream: str, publication: Publication, headers: dict[str, str]
    ) -> None:
        await self.broker.publish(publication.body, stream=stream, headers=headers)


def _message_id(stream: str, message: RedisStreamMessage) -> str:
    given = message.headers.get(MESSAGE_ID)
    if given:
        return str(given)
    ids = message.raw_message["message_ids"]
    return f"{stream} {ids[0].decode()}"


async def _whole(message: RedisStreamMessage) -> RedisStreamMessage:
    """Handlers get the message itself: what its body is they find out."""
    return message
