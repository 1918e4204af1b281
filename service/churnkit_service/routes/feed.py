"""``/v1/feed``: what happens, as server-sent events."""

from __future__ import annotations

import asyncio
import re
import time

from aiohttp import web

from churnkit.client.messages.feed import (
    END,
    FeedEvent,
    FeedPrediction,
    FeedPredictions,
    FeedQuery,
)
from churnkit.client.messages.problems import Fault
from churnkit.errors import ChurnkitError, StorageUnreachable
from churnkit_service.endpoint import Call, Endpoint, read_query
from churnkit_service.feed import Cursor, Event, Subscriber, last_event
from churnkit_service.guard import finish
from churnkit_service.problems import RequestInvalid, shown

_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx would collect events before it passes them on.
    "X-Accel-Buffering": "no",
}
_AGAIN_MS = 2_000
_LOOK_SECONDS = 1.0
"""How often to look whether the client is still there."""
ROUTE = "/v1/feed"


async def feed(call: Call) -> web.StreamResponse:
    """Tell what happens until either side ends it."""
    service = call.service
    asked = read_query(call, FeedQuery)
    kinds = None if asked.kinds is None else frozenset(asked.kinds.split(","))
    subscriber, missed = await service.feed.subscribe(kinds, _place(call))
    response = web.StreamResponse(headers=_HEADERS)
    finish(response, call.request_id)
    ending = asyncio.create_task(_wake_at_the_end(call, subscriber))
    reason = "client"
    try:
        await response.prepare(call.request)
        await response.write(f"retry: {_AGAIN_MS}\n\n".encode())
        reason = await _tell(call, response, subscriber, missed)
    except TimeoutError:
        reason = "slow"
        if call.request.transport is not None:
            call.request.transport.abort()
    except OSError:  # the client has gone
        pass
    finally:
        ending.cancel()
        service.feed.leave(subscriber)
        service.metrics.connections_closed.labels(ROUTE, reason).inc()
    return response


async def _wake_at_the_end(call: Call, subscriber: Subscriber) -> None:
    await call.service.drained.wait()
    subscriber.wake()


async def _tell(
    call: Call, response: web.StreamResponse, subscriber: Subscriber, missed: list[Event]
) -> str:
    """Send events; returns why that came to its end."""
    service, settings = call.service, call.service.settings
    checked = written = time.monotonic()
    events = missed
    while True:
        if service.draining or subscriber.dropped:
            return await _end(call, response, "drain" if service.draining else "slow")
        if call.request.transport is None:  # the client has gone
            return "client"
        now = time.monotonic()
        if events or now - written >= settings.heartbeat_seconds:
            content = b"".join(event.content for event in events) or b": alive\n\n"
            async with asyncio.timeout(settings.slow_client_seconds):
                await response.write(content)
            written = now
        if now - checked > settings.keys_seconds:
            checked = now
            try:
                (await service.keys.caller(call.request)).require("read")
            except ChurnkitError:
                return await _end(call, response, "key")
        events = await subscriber.take(min(_LOOK_SECONDS, settings.heartbeat_seconds))


async def _end(call: Call, response: web.StreamResponse, reason: str) -> str:
    async with asyncio.timeout(call.service.settings.slow_client_seconds):
        await response.write(last_event(END, reason=reason))
        await response.write_eof()
    return reason


def _place(call: Call) -> Cursor | None:
    given = call.request.headers.get("Last-Event-ID")
    if given is None:
        return None
    match = _PLACE.fullmatch(given)
    if match is None:
        expected = "the id of an event of this feed"
        fault = Fault(field="Last-Event-ID", given=shown(given), expected=expected)
        raise RequestInvalid(f"Last-Event-ID: expected {expected}.", faults=(fault,))
    return Cursor(int(match[1]), int(match[2]))


ENDPOINTS = (
    Endpoint(
        "GET",
        ROUTE,
        feed,
        "Watch what happens",
        "feed",
        "read",
        query=FeedQuery,
        answers={200: (None, "Server-sent events, until either side ends them.")},
        problems=(RequestInvalid, StorageUnreachable),
        lasting=True,
        messages=(FeedEvent, FeedPrediction, FeedPredictions),
        content_type="text/event-stream",
        description="Events (`FeedEvent`): `prediction` (`FeedPrediction`, at most some 70 a "
        "second, `sampled` where there were more), `predictions` (`FeedPredictions`, counts by the "
        "second), `journal` (who serves, and decisions), and what is announced, such as `job` and "
        "`alert`. With the header `Last-Event-ID` the journal and what was announced go on behind "
        "that event; a `gap` says that something is not kept any more. A quiet feed has a comment "
        "every `service.heartbeat_seconds`. `end` says why the service ends it: `drain`, `slow` "
        "(events are taken more slowly than they happen) or `key`.",
    ),
)
