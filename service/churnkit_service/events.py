"""From a request's events to changed features, whichever way they came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from churnkit.client.messages.events import EventsRequest
from churnkit.client.messages.problems import Fault
from churnkit.domain.events import EventFault
from churnkit.domain.recording import IdempotentAnswer
from churnkit.usecases.online.receiving import BadEvents, EventsTaken, receive_once
from churnkit_service.bulk import read_items
from churnkit_service.problems import RequestInvalid
from churnkit_service.service import Service


@dataclass(frozen=True, slots=True)
class Delivered:
    """Events that can be given to the library; ``places`` are their positions as sent."""

    events: Sequence[Mapping[str, object]]
    places: Sequence[int]
    on_error: Literal["fail", "skip"]
    skipped: Sequence[Fault] = ()


def read_events(data: Any) -> Delivered:
    """A request from plain data.

    Raises
    ------
    RequestInvalid : each wrong field is named
    """
    asked = read_items(data, EventsRequest)
    items = asked.request.items
    events = [item.model_dump(exclude_unset=True, exclude_none=True) for item in items]
    return Delivered(events, asked.places, asked.request.on_error, asked.faults)


async def take_in(
    service: Service,
    asked: Delivered,
    *,
    now: datetime,
    keep: Callable[[bytes], IdempotentAnswer] | None = None,
) -> dict[str, Any] | None:
    """Change the features, in one transaction.

    Parameters
    ----------
    keep : makes what is committed with the change from the answer's bytes

    Returns
    -------
    answer : an ``EventsAnswer`` as plain data; None: another one was kept under the same key

    Raises
    ------
    RequestInvalid : an event cannot be read, and the others shall not be taken in without it
    NoOnlineState : nothing is kept up to date by events
    """
    kept = None if keep is None else (lambda taken: keep(orjson.dumps(_answer(asked, taken))))
    try:
        taken = await service.queries.run(
            receive_once,
            service.project,
            asked.events,
            now=now,
            on_error=asked.on_error,
            keep=kept,
        )
    except BadEvents as error:
        raise _refused([_fault(asked, fault) for fault in error.faults]) from None
    if taken is None:
        return None
    answer = _answer(asked, taken)
    service.metrics.events_received(
        applied=taken.new,
        duplicate=taken.duplicate,
        too_late=len(taken.late_items),
        rejected=answer["rejected"],
    )
    return answer


def _answer(asked: Delivered, taken: EventsTaken) -> dict[str, Any]:
    faults = [*asked.skipped, *(_fault(asked, fault) for fault in taken.rejected)]
    faults.sort(key=lambda fault: fault.item or 0)
    return {
        "applied": taken.new,
        "duplicates": taken.duplicate,
        "too_late": len(taken.late_items),
        "late_items": [asked.places[i] for i in taken.late_items],
        "rejected": len({fault.item for fault in faults}),
        "errors": [fault.model_dump() for fault in faults],
    }


def _fault(asked: Delivered, found: EventFault) -> Fault:
    given = asked.events[found.item].get(found.field)
    return Fault(
        item=asked.places[found.item],
        field=found.field,
        given=None if given is None else repr(given)[:60],
        expected=found.what,
        fix=found.fix,
    )


def _refused(faults: Sequence[Fault]) -> RequestInvalid:
    first = faults[0]
    return RequestInvalid(
        f"item {first.item}: {first.field}: {first.expected}",
        fix=first.fix or "Mend the events, or send 'on_error': 'skip' to have the others taken in.",
        faults=faults,
    )
