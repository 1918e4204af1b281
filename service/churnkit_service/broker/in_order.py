"""For brokers without a "deliver it again later": a message is tried here until it is done."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from churnkit.errors import ChurnkitError
from churnkit_service.broker.delivery import Dead, Delivery, Done, Later, Publication
from churnkit_service.broker.reasons import letter
from churnkit_service.broker.work import Worker

MESSAGE_ID = "message-id"
Publish = Callable[[str, Publication, dict[str, str]], Awaitable[None]]


async def settle(
    worker: Worker, delivery: Delivery, publish: Publish, *, predictions: str, dead_letters: str
) -> bool:
    """Do a message to its end.

    Parameters
    ----------
    publish : publishes somewhere, with headers; returns when the broker has it

    Returns
    -------
    settled : it may be acknowledged; False: told to stop before that
    """
    while True:
        outcome = await worker.handle(delivery)
        if not isinstance(outcome, Later):
            break
        if await _told_to_stop(worker, outcome.seconds):
            return False
        if outcome.counts:
            delivery = dataclasses.replace(delivery, deliveries=delivery.deliveries + 1)
    error: ChurnkitError | None
    if isinstance(outcome, Done):
        for publication in outcome.publications:
            await publish(predictions, publication, {MESSAGE_ID: publication.message_id})
        error = outcome.partly
    else:
        assert isinstance(outcome, Dead)
        error = outcome.error
    if error is not None:
        body, headers = letter(delivery, error)
        dead = Publication(f"{delivery.key}-dead", body)
        await publish(dead_letters, dead, {**headers, MESSAGE_ID: dead.message_id})
    return True


async def _told_to_stop(worker: Worker, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await worker.stopping.wait()
    except TimeoutError:
        return False
    return True
