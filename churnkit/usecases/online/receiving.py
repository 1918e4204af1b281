"""Delivered events go into the online states."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import RenderableType

from churnkit.domain.events import EventFault
from churnkit.domain.moments import to_us
from churnkit.domain.recording import IdempotentAnswer
from churnkit.errors import BadValue, DataUnreadable
from churnkit.features.online_backfill import LONG_AGO_US
from churnkit.features.online_events import read_event
from churnkit.features.online_layout import OnlineEvent
from churnkit.features.online_state import OnlineState, Taken, dump_state, load_state, take_events
from churnkit.ledger.idempotent import AnsweredAlready
from churnkit.ledger.online import OnlineStates, States
from churnkit.project import Project
from churnkit.usecases.online.layouts import stored_layouts
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import erased_within


class BadEvents(BadValue):
    """Delivered events that cannot be read; none of them was taken in."""

    faults: tuple[EventFault, ...] = ()
    """Each event that cannot be read, and why."""


@dataclass(frozen=True, repr=False)
class EventsTaken(Result):
    """What became of delivered events."""

    new: int
    duplicate: int
    too_late: tuple[str, ...]
    """Customers whose event was older than the lateness."""
    late_items: tuple[int, ...] = ()
    """Positions of these events."""
    rejected: tuple[EventFault, ...] = ()
    """Events that cannot be read, where those were to be skipped."""

    def __rich__(self) -> RenderableType:
        late = f", {len(self.too_late):,} too late" if self.too_late else ""
        bad = f", {len(self.rejected):,} rejected" if self.rejected else ""
        return f"{self.new:,} events taken in, {self.duplicate:,} known already{late}{bad}."

    def to_json(self) -> dict[str, object]:
        return {
            "new": self.new,
            "duplicate": self.duplicate,
            "too_late": list(self.too_late),
            "late_items": list(self.late_items),
            "rejected": [fault.model_dump() for fault in self.rejected],
        }


def receive_events(
    project: Project,
    events: Sequence[Mapping[str, object]],
    *,
    now: datetime | None = None,
    on_error: Literal["fail", "skip"] = "fail",
) -> EventsTaken:
    """Take delivered events into all online states, in one transaction.

    Parameters
    ----------
    events : see ``features.online_events.read_event``
    now : the present
    on_error : with an event that cannot be read: take in none, or the others

    Raises
    ------
    NoOnlineState : there are none; ``rebuild_online`` makes them
    BadEvents : events cannot be read; ``where`` has the first one's position and field, ``faults``
        has all of them. None was taken in
    """
    taken = receive_once(project, events, now=now, on_error=on_error, keep=None)
    assert taken is not None  # nothing was kept, so that no key can be there
    return taken


def receive_once(
    project: Project,
    events: Sequence[Mapping[str, object]],
    *,
    now: datetime | None = None,
    on_error: Literal["fail", "skip"] = "fail",
    keep: Callable[[EventsTaken], IdempotentAnswer] | None,
) -> EventsTaken | None:
    """The same under an Idempotency-Key; the answer is committed with what was done.

    Parameters
    ----------
    keep : makes the answer from what became of the events

    Returns
    -------
    taken : None: there was an answer under this key already, and nothing was taken in
    """
    now = now or datetime.now(UTC)
    now_us = to_us(now)
    states = OnlineStates(project.ledger)
    plans = {plan.content_hash: plan for plan in stored_layouts(states)}
    newest = next(iter(plans))
    schema = plans[newest].schema
    by_customer: dict[str, list[OnlineEvent]] = {}
    places: dict[int, int] = {}  # by the event's identity: equal events are several
    faults: list[EventFault] = []
    for position, fields in enumerate(events):
        try:
            customer, event = read_event(fields, schema, now_us=now_us)
        except BadValue as error:
            field = str(error.where.get("field", ""))
            faults.append(EventFault(item=position, field=field, what=error.what, fix=error.fix))
            continue
        by_customer.setdefault(customer, []).append(event)
        places[id(event)] = position
    if faults and on_error == "fail":
        raise _bad_events(faults)
    results: dict[str, Taken] = {plan: Taken() for plan in plans}
    late: dict[str, None] = {}

    def change(found: Mapping[str, States], erased: set[str]) -> Mapping[str, States]:
        changed: dict[str, States] = {}
        for name in erased:
            del by_customer[name]
        for layout_hash, known in found.items():
            plan, total = plans[layout_hash], results[layout_hash]
            changed[layout_hash] = {}
            for customer, mine in by_customer.items():
                text = known.get(customer)
                state = load_state(text) if text else OnlineState(LONG_AGO_US)
                taken = take_events(state, mine, plan, now_us=now_us)
                if taken.too_late:
                    late[customer] = None
                total.add(taken)
                changed[layout_hash][customer] = dump_state(state)
        return changed

    def taken() -> EventsTaken:
        first = results[newest]
        items = sorted(places[id(event)] for event in first.too_late)
        return EventsTaken(first.new, first.duplicate, tuple(late), tuple(items), tuple(faults))

    kept = None if keep is None else (lambda: keep(taken()))
    try:
        states.change(
            list(plans),
            list(by_customer),
            change,
            at=now,
            erased=erased_within(project),
            keep=kept,
        )
    except AnsweredAlready:
        return None
    return taken()


def receive_file(project: Project, path: Path | str, *, now: datetime | None = None) -> EventsTaken:
    """Take in the events of a file of JSON lines, in one transaction.

    Raises
    ------
    DataUnreadable : a line is no JSON object
    BadValue : an event cannot be read; its row and field are named. None was taken in
    """
    events: list[Mapping[str, object]] = []
    file = Path(path).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataUnreadable(
            f"the file cannot be read: {error}.", fix="Give a file of JSON lines.", file=file
        ) from error
    for row, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise DataUnreadable(
                "the line is no JSON object.",
                fix='Write {"customer_id": …, "event_time": …, …} on each line.',
                file=file,
                row=row,
            )
        events.append(fields)
    return receive_events(project, events, now=now)


def _bad_events(faults: Sequence[EventFault]) -> BadEvents:
    first = faults[0]
    error = BadEvents(first.what, fix=first.fix, item=first.item, field=first.field or None)
    error.faults = tuple(faults)
    return error
