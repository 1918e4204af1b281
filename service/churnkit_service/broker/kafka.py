"""Kafka: one message after another from each topic, its offset committed after the answer.

Not tested against a server: its options and its handling of a message are tested in memory. Kafka
does not drop a message that is published twice; whoever reads predictions takes each
``message-id`` once.
"""

from __future__ import annotations

import logging
from typing import Any

from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from churnkit.errors import BrokerUnreachable
from churnkit.settings.broker import BrokerTable
from churnkit_service.broker.delivery import Delivery, Publication, Role
from churnkit_service.broker.in_order import MESSAGE_ID, settle
from churnkit_service.broker.work import Worker

USUAL_URL = "127.0.0.1:9092"
framework = logging.getLogger("churnkit.broker.faststream")
framework.setLevel(logging.WARNING)


class KafkaLink:
    """See ``delivery.Link``."""

    def __init__(self, worker: Worker, settings: BrokerTable, *, drain_seconds: float) -> None:
        self._worker = worker
        self._settings = settings
        self.broker = KafkaBroker(
            [url.strip() for url in (settings.url or USUAL_URL).split(",")],
            client_id="churnkit",
            acks="all",
            enable_idempotence=True,
            graceful_timeout=drain_seconds,
            decoder=_whole,
            apply_types=False,
            logger=framework,
            log_level=logging.DEBUG,
        )
        roles: tuple[Role, ...] = ("events", "requests")
        for role in roles:
            self._listen(role, getattr(settings, role))

    def _listen(self, role: Role, topic: str) -> None:
        if not topic:
            return

        async def handle(message: KafkaMessage) -> None:
            delivery = Delivery(role, message.body, _message_id(message))
            done = await settle(
                self._worker,
                delivery,
                self._publish,
                predictions=self._settings.predictions,
                dead_letters=self._settings.dead_letters,
            )
            await (message.ack() if done else message.nack())

        self.broker.subscriber(
            topic,
            group_id=self._settings.group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )(handle)

    async def start(self) -> None:
        """See ``Link``."""
        try:
            await self.broker.start()
        except (KafkaError, OSError) as error:
            raise BrokerUnreachable(
                f"Kafka does not answer: {str(error) or type(error).__name__}.",
                fix="Check broker.url, such as 'kafka-1:9092,kafka-2:9092'.",
            ) from error

    async def stop(self) -> None:
        """See ``Link``."""
        await self.broker.stop()

    async def _publish(self, topic: str, publication: Publication, headers: dict[str, str]) -> None:
        await self.broker.publish(
            publication.body, topic, key=publication.message_id.encode(), headers=headers
        )


def _message_id(message: KafkaMessage) -> str:
    given = message.headers.get(MESSAGE_ID)
    if given:
        return str(given)
    record: Any = message.raw_message
    return f"{record.topic} {record.partition} {record.offset} {record.timestamp}"


async def _whole(message: KafkaMessage) -> KafkaMessage:
    """Handlers get the message itself: what its body is they find out."""
    return message
