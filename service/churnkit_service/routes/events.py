"""``/v1/events``: what customers did, taken into the features of the present."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from churnkit.client.messages.events import EventsAnswer, EventsRequest
from churnkit.errors import LedgerBusy, NoOnlineState, StorageUnreachable
from churnkit_service.endpoint import Call, Endpoint, json_response, read_json
from churnkit_service.events import read_events, take_in
from churnkit_service.idempotency import AnsweredMeanwhile, KeyedRequest, answer_once
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid


async def create(call: Call) -> web.Response:
    """Take events in; the answer is sent when they are committed."""

    async def take(request: KeyedRequest | None) -> web.Response:
        asked = read_events(read_json(call))
        now = datetime.now(UTC)
        answer = await take_in(
            call.service,
            asked,
            now=now,
            keep=None if request is None else (lambda body: request.keep(200, body, now)),
        )
        if answer is None:
            raise AnsweredMeanwhile
        return json_response(answer)

    return await answer_once(call, take)


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
