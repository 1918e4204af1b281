"""Requests about events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from churnkit.client.call import Call, new_key
from churnkit.client.messages.events import EventItem, EventsAnswer, EventsRequest


def send_events(
    events: Sequence[Mapping[str, Any]],
    *,
    on_error: Literal["fail", "skip"] = "fail",
    idempotency_key: str | None = None,
) -> Call[EventsAnswer]:
    """Take events into the online features.

    Parameters
    ----------
    events : ``customer_id``, ``event_time`` and what else the project's log has
    on_error : with an event that cannot be read: take in none, or the others
    idempotency_key : the same key does the same work once; None: a new one
    """
    items = [EventItem(**event) for event in events]
    return Call(
        "POST",
        "/v1/events",
        EventsAnswer,
        body=EventsRequest(items=items, on_error=on_error),
        idempotency_key=idempotency_key or new_key(),
    )
