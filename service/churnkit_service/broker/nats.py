"""NATS JetStream: a durable pull consumer for each subject, answers published before the ack."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig

from churnkit.errors import BrokerUnreachable, ChurnkitError
from churnkit.settings.broker import BrokerTable
from churnkit_service.broker.delivery import Dead, Delivery, Done, Later, Publication, Role
from churnkit_service.broker.reasons import letter
from churnkit_service.broker.work import Worker

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = logging.getLogger("churnkit.broker")
framework = logging.getLogger("churnkit.broker.faststream")
framework.setLevel(logging.WARNING)
MESSAGE_ID = "Nats-Msg-Id"
USUAL_URL = "nats://127.0.0.1:4222"
_FETCH_SECONDS = 1.0
_PUBLISH_SECONDS = 10.0
_DUPLICATE_SECONDS = 600.0


class NatsLink:
    """See ``delivery.Link``.

    Parameters
    ----------
    drain_seconds : for messages at work to be finished, at the end
    """

    def __init__(self, worker: Worker, settings: BrokerTable, *, drain_seconds: float) -> None:
        self._worker = worker
        self._settings = settings
        subjects = [settings.events, settings.requests, settings.predictions, settings.dead_letters]
        self._stream = JStream(
            settings.stream,
            subjects=[subject for subject in subjects if subject],
            duplicate_window=_DUPLICATE_SECONDS,
        )
        self._broker = NatsBroker(
            [url.strip() for url in (settings.url or USUAL_URL).split(",")],
            name="churnkit",
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=5,
            graceful_timeout=drain_seconds,
            decoder=_whole,
            apply_types=False,
            logger=framework,
            log_level=logging.DEBUG,
            error_cb=_told,
        )
        roles: tuple[Role, ...] = ("events", "requests")
        for role in roles:
            self._listen(role, getattr(settings, role))

    def _listen(self, role: Role, subject: str) -> None:
        if not subject:
            return
        settings = self._settings

        async def handle(message: NatsMessage) -> None:
            await self._handle(role, message)

        self._broker.subscriber(
            subject,
            stream=self._stream,
            durable=f"{settings.group}-{role}",
            config=ConsumerConfig(
                ack_wait=settings.ack_wait_seconds,
                # How often is enough is counted here: the server would stop without a word.
                max_deliver=-1,
            ),
            pull_sub=PullSub(batch_size=settings.in_flight, timeout=_FETCH_SECONDS),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )(handle)

    async def start(self) -> None:
        """See ``Link``."""
        try:
            await self._broker.start()
        except (NatsError, OSError, TimeoutError) as error:
            raise BrokerUnreachable(
                f"NATS does not answer: {str(error) or type(error).__name__}.",
                fix="Check broker.url, and that nats-server runs with JetStream (-js).",
            ) from error

    async def stop(self) -> None:
        """See ``Link``."""
        await self._broker.stop()

    async def _handle(self, role: Role, message: NatsMessage) -> None:
        raw: Msg = message.raw_message
        delivery = _delivery(role, raw)
        outcome = await self._worker.handle(delivery, message.in_progress)
        try:
            if isinstance(outcome, Later):
                await message.nack(delay=outcome.seconds)
                return
            if isinstance(outcome, Done):
                for publication in outcome.publications:
                    await self._publish(self._settings.predictions, publication)
            error = outcome.error if isinstance(outcome, Dead) else outcome.partly
            if error is not None:
                await self._bury(delivery, raw, error)
            await message.ack()
        except (NatsError, OSError, TimeoutError) as error:
            # Not acknowledged: it is delivered again, and answered the same.
            log.warning("not acknowledged", extra={"error": str(error) or type(error).__name__})

    async def _publish(
        self, subject: str, publication: Publication, headers: dict[str, str] | None = None
    ) -> None:
        await self._broker.publish(
            publication.body,
            subject,
            headers={
                **(headers or {}),
                "content-type": "application/json",
                MESSAGE_ID: publication.message_id,
            },
            stream=self._settings.stream,
            timeout=_PUBLISH_SECONDS,
        )

    async def _bury(self, delivery: Delivery, raw: Msg, error: ChurnkitError) -> None:
        """The message as it came, with the reason in its headers."""
        body, headers = letter(delivery, error)
        headers["Churnkit-Subject"] = raw.subject
        headers["Churnkit-Sequence"] = str(raw.metadata.sequence.stream)
        if len(body) > self._settings.max_message_bytes:
            # With its headers it may be longer than the server takes; the stream still has it.
            body, headers["Churnkit-Body"] = b"", "left out: too long"
        await self._publish(
            self._settings.dead_letters, Publication(f"{delivery.key}-dead", body), headers
        )


def _delivery(role: Role, raw: Msg) -> Delivery:
    metadata = raw.metadata
    given = (raw.headers or {}).get(MESSAGE_ID)
    # Without an id of the sender's it is a message of its own. Numbers start anew with a stream
    # that is made anew, the time does not.
    own = f"{metadata.stream} {metadata.sequence.stream} {metadata.timestamp.isoformat()}"
    return Delivery(role, raw.data, given or own, metadata.num_delivered or 1)


async def _whole(message: NatsMessage) -> NatsMessage:
    """Handlers get the message itself: what its body is they find out."""
    return message


async def _told(error: Exception) -> None:
    log.warning("NATS: %s", str(error) or type(error).__name__)
