"""``/v1/events``: what customers did, taken into the features of the present."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
from aiohttp import web

from churnkit.client.messages.events import EventsAnswer, EventsRequest
from churnkit.errors import LedgerBusy, NoOnlineState, StorageUnreachable
from churnkit_service.endpoint import Call, Endpoint, read_json
from churnkit_service.events import read_events, take_in
from churnkit_service.idempotency import KeyedRequest, keyed
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid


async def create(call: Call) -> web.Response:
    """Take events in; the answer is sent when they are committed."""
    async with keyed(call) as request:
        if request is not None:
            replayed = await request.replay()
            if replayed is not None:
                return replayed
        return await _create(call, request)


async def _create(call: Call, request: KeyedRequest | None) -> web.Response:
    asked = read_events(read_json(call))
    now = datetime.now(UTC)
    answer = await take_in(
        call.service,
        asked,
        now=now,
        keep=None if request is None else (lambda body: request.keep(200, body, now)),
    )
    if answer is None and request is not None:
        # Another process answered the same request a moment earlier: its answer counts.
        replayed = await request.replay()
        assert replayed is not None  # its key was in our way
        return replayed
    assert answer is not None
    return web.Response(
        body=orjson.dumps(answer),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/events",
        create,
        "Send events",
        "events",
        "score",
        body=EventsRequest,
        answers={200: (EventsAnswer, "What became of them; it is committed.")},
        problems=(
            RequestInvalid,
            NoOnlineState,
            RequestInFlight,
            IdempotencyKeyReused,
            StorageUnreachable,
            LedgerBusy,
        ),
        idempotent_key=True,
        description="Events in any order, within `online.lateness_days`. All that are taken in "
        "are committed together; a second delivery of an event changes nothing.",
    ),
)
