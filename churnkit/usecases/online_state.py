"""Features of the present: states in the ledger's database that events keep up to date."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.data.database import opened
from churnkit.data.zones import shown_moment
from churnkit.domain.events import US_PER_DAY, EventFault, LogSchema
from churnkit.domain.moments import from_us, to_us
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.domain.recording import IdempotentAnswer
from churnkit.errors import BadEvents, BadValue, DataUnreadable, NoOnlineState
from churnkit.features.as_of import parse_as_of
from churnkit.features.definitions import FeatureSet
from churnkit.features.online_backfill import LONG_AGO_US, states_from_log
from churnkit.features.online_events import read_event
from churnkit.features.online_layout import Layout, OnlineEvent, layout
from churnkit.features.online_read import Value, read_features
from churnkit.features.online_state import (
    OnlineState,
    Taken,
    dump_state,
    load_state,
    take_events,
)
from churnkit.ledger.idempotent import AnsweredAlready
from churnkit.ledger.online import OnlineStates, States
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features import AsOf, open_features
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import erased_within


@dataclass(frozen=True, repr=False)
class OnlineBuilt(Result):
    """States made from the log."""

    n_customers: int
    feature_hash: str
    readable_from: datetime

    def __rich__(self) -> RenderableType:
        return (
            f"Online states of {self.n_customers:,} customers are in the ledger; they can be read "
            f"as of {self.readable_from:%Y-%m-%d %H:%M} UTC and later."
        )

    def to_json(self) -> dict[str, object]:
        return {
            "n_customers": self.n_customers,
            "feature_hash": self.feature_hash,
            "readable_from": self.readable_from.isoformat(),
        }


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


@dataclass(frozen=True, repr=False)
class OnlineFeatures(Result):
    """One customer's features, read from the online state."""

    customer_id: str
    as_of: datetime
    zone: str
    values: dict[str, Value]
    known: bool

    def __rich__(self) -> RenderableType:
        view = Table(box=None, pad_edge=False, header_style="bold")
        view.add_column("feature")
        view.add_column("value", justify="right")
        for name, value in self.values.items():
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            view.add_row(name, "missing" if value is None else escape_text(shown))
        head = f"Customer {self.customer_id} as of {shown_moment(to_us(self.as_of), self.zone)}"
        lines: list[RenderableType] = [Text(head), view]
        if not self.known:
            lines.append("No event of this customer has come yet.")
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "customer_id": self.customer_id,
            "as_of": self.as_of.isoformat(),
            "known": self.known,
            "values": self.values,
        }


def rebuild_online(
    project: Project,
    *,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> OnlineBuilt:
    """Make the states of the project's FeatureSet from its log, in place of what was there.

    Parameters
    ----------
    now : the moment up to which events count as delivered; None: the end of the log

    Raises
    ------
    FeatureError : features.toml is missing or cannot be used on this log
    """
    features, schema = open_features(project)
    plan = _layout(project, features, schema)
    now_us = to_us(now) if now is not None else schema.known_until_us or 0
    with project.lease("building online states"), opened(project.database) as connection:
        made = states_from_log(connection, plan, now_us=now_us, progress=progress, cancel=cancel)
        n = OnlineStates(project.ledger).replace(
            plan.content_hash,
            ((name, dump_state(state)) for name, state in made),
            feature_hash=features.content_hash(),
            description=_described(plan),
            at=datetime.now(UTC),
        )
    return OnlineBuilt(n, features.content_hash(), from_us(now_us - plan.lateness_us))


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
    plans = {plan.content_hash: plan for plan in _plans(states)}
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


def _bad_events(faults: Sequence[EventFault]) -> BadEvents:
    first = faults[0]
    error = BadEvents(first.what, fix=first.fix, item=first.item, field=first.field or None)
    error.faults = tuple(faults)
    return error


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


def show_online(project: Project, customer_id: str, *, as_of: AsOf | None = None) -> OnlineFeatures:
    """One customer's features from the online state.

    Raises
    ------
    NoOnlineState, MomentTooOld, AsOfInvalid : it cannot be read
    """
    if isinstance(as_of, str):
        as_of = parse_as_of(as_of, project.settings.project.zone)
    return online_features(project, [customer_id], as_of=as_of)[0]


def online_features(
    project: Project,
    customer_ids: Sequence[str],
    *,
    as_of: datetime | None = None,
    feature_hash: str | None = None,
) -> tuple[OnlineFeatures, ...]:
    """Read the features of customers as of a moment.

    Parameters
    ----------
    as_of : None: the present
    feature_hash : of the FeatureSet that is wanted; None: the newest one

    Raises
    ------
    NoOnlineState : there are no states of this set
    MomentTooOld : the states have already summed up later events
    """
    states = OnlineStates(project.ledger)
    plan = _chosen(list(_plans(states)), feature_hash)
    moment = as_of or datetime.now(UTC)
    found = states.read(plan.content_hash, list(customer_ids))
    return tuple(
        OnlineFeatures(
            customer_id=name,
            as_of=moment,
            zone=plan.schema.zone,
            values=read_features(
                load_state(found[name]) if name in found else None, plan, as_of_us=to_us(moment)
            ),
            known=name in found,
        )
        for name in customer_ids
    )


def _layout(project: Project, features: FeatureSet, schema: LogSchema) -> Layout:
    lateness = project.settings.online.lateness_days
    return layout(features, schema, lateness_us=round(lateness * US_PER_DAY))


def _described(plan: Layout) -> str:
    return json.dumps(
        {
            "features": plan.features.model_dump(mode="json"),
            "schema": plan.schema.model_dump(mode="json"),
            "lateness_us": plan.lateness_us,
        }
    )


def _plans(states: OnlineStates) -> Iterator[Layout]:
    """The layouts of the ledger, the newest first."""
    known = states.layouts()
    if not known:
        raise NoOnlineState(
            "there is no online state.", fix="Make it from the log with 'churnkit online rebuild'."
        )
    for text in reversed(known.values()):
        yield _plan(text)


@lru_cache(maxsize=16)
def _plan(text: str) -> Layout:
    raw = json.loads(text)
    return layout(
        FeatureSet.model_validate(raw["features"]),
        LogSchema.model_validate(raw["schema"]),
        lateness_us=raw["lateness_us"],
    )


def _chosen(plans: Sequence[Layout], feature_hash: str | None) -> Layout:
    for plan in plans:
        if feature_hash in (None, plan.features.content_hash()):
            return plan
    raise NoOnlineState(
        "the online state was built for other features than the model reads.",
        fix="Make it anew with 'churnkit online rebuild'.",
        feature_hash=feature_hash,
    )
