"""The feed from asyncio: events as they come, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Protocol
from urllib.parse import urlencode

from churnkit.client.messages.feed import END, FeedEvent
from churnkit.client.retrying import Patience
from churnkit.errors import ServiceUnreachable

PATH = "/v1/feed"


class Lines(Protocol):
    """Opens answers that stay open; the client does."""

    def open_lines(self, target: str, headers: dict[str, str]) -> AsyncGenerator[bytes]:
        """The lines of an answer as they come; then the next address is asked.

        Raises
        ------
        ServiceRefused : the service does not let the client in
        Interrupted : there is no answer, or it came to an untimely end
        """


class Interrupted(Exception):
    """An answer that stays open came to an untimely end; the text says how."""


async def feed_events(
    client: Lines,
    kinds: Collection[str] | None,
    *,
    last_event_id: str | None,
    patience_seconds: float,
) -> AsyncGenerator[FeedEvent]:
    """Events as they happen; after a lost connection the feed goes on behind the last event.

    Parameters
    ----------
    kinds : the events that are wanted; None: all
    last_event_id : go on behind this event; None: from now on
    patience_seconds : how long to go on without a connection

    Raises
    ------
    ServiceRefused : the service does not let the client in
    ServiceUnreachable : no service answered for so long
    """
    query = {} if kinds is None else {"kinds": ",".join(sorted(kinds))}
    target = f"{PATH}?{urlencode(query)}" if query else PATH
    patience = Patience(patience_seconds, time.monotonic())
    while True:
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        lines = client.open_lines(target, headers)
        said = "the feed came to its end"
        try:
            async for event in _events(lines):
                patience = Patience(patience_seconds, time.monotonic())
                if event.id is not None:
                    last_event_id = event.id
                if event.kind == END:
                    said = f"the service ended the feed ({event.data.get('reason')})"
                    break
                yield event
        except Interrupted as error:
            said = str(error)
        finally:
            await lines.aclose()
        pause = patience.pause(time.monotonic(), None)
        if pause is None:
            raise ServiceUnreachable(
                f"the service cannot answer: {said}.", fix="Is it running, and is its database?"
            )
        await asyncio.sleep(pause)


async def _events(lines: AsyncIterator[bytes]) -> AsyncGenerator[FeedEvent]:
    """Server-sent events, as the service writes them: one line of data each.

    https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    kind, place, data = "message", None, ""
    async for line in lines:
        text = line.decode().rstrip("\r\n")
        if not text:
            if data:
                yield FeedEvent(kind=kind, id=place, data=json.loads(data))
            kind, place, data = "message", None, ""
            continue
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "id":
            place = value
        elif name == "data":
            data += value
