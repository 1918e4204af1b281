"""What happens, told to every console that looks on: one look at the database for all of them.

Journal and announcements are told in their order, each once, and can be resumed. Predictions are
told as far as a console can take them: the newest ones one by one, and all of them counted by the
second. Nothing is asked of the database while nobody looks on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from churnkit.client.messages.feed import GAP, HELLO, JOURNAL, PREDICTION, PREDICTIONS
from churnkit.domain.happenings import Happening
from churnkit.domain.models import JournalEntry
from churnkit.errors import ChurnkitError
from churnkit.project import Project
from churnkit.usecases import happenings as usecases
from churnkit_service.metrics import Metrics
from churnkit_service.queries import Queries

log = logging.getLogger("churnkit.service")
_LOOK_SECONDS = 0.5
_SHORTEST_PAUSE = 0.2
_MOST_TOLD = 4
"""Journal entries, and announcements, of one look: at five looks a second some 20 a second."""
_MOST_SHOWN = 35
"""Predictions of one look, of which there are two a second."""
_LOOK_BACK = timedelta(seconds=3)
_COUNT_BEHIND = timedelta(seconds=2)
"""A prediction made so long ago is committed, or nobody waits for it any more."""
_MOST_WAITING = 1_000
_MOST_RESUMED = 1_000
_LISTEN_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the feed: the journal's number, and that of the announcements."""

    journal: int
    happenings: int

    def __str__(self) -> str:
        return f"{self.journal}-{self.happenings}"


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it is sent, rendered once for all."""

    kind: str
    content: bytes


class Subscriber:
    """One console: what waits to be sent to it.

    Parameters
    ----------
    kinds : the events it wants; None: all
    """

    def __init__(self, kinds: frozenset[str] | None) -> None:
        self._kinds = kinds
        self._waiting: deque[Event] = deque()
        self._more = asyncio.Event()
        self.dropped = False
        """It takes events more slowly than they happen; nothing is kept for it any more."""

    def wants(self, kind: str) -> bool:
        """Whether events of this kind are sent to it."""
        return self._kinds is None or kind in self._kinds

    def put(self, event: Event) -> None:
        """Send it after what waits."""
        if self.dropped or not self.wants(event.kind):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.clear()
            self.dropped = True
        else:
            self._waiting.append(event)
        self._more.set()

    def wake(self) -> None:
        """Let whoever waits for an event look for other reasons."""
        self._more.set()

    async def take(self, seconds: float) -> list[Event]:
        """What waits; nothing, when nothing came for so long."""
        if not self._waiting and not self.dropped:
            try:
                async with asyncio.timeout(seconds):
                    await self._more.wait()
            except TimeoutError:
                return []
        self._more.clear()
        found = list(self._waiting)
        self._waiting.clear()
        return found


class Feed:
    """Looks what happens while somebody wants to know; belongs to one event loop."""

    def __init__(self, project: Project, queries: Queries, metrics: Metrics) -> None:
        self._project = project
        self._queries = queries
        self._metrics = metrics
        self._subscribers: set[Subscriber] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._cursor = Cursor(0, 0)
        self._wake = asyncio.Event()
        self._opening = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._seen: dict[str, datetime] = {}
        self._since = self._counted_until = datetime.now(UTC)

    async def subscribe(
        self, kinds: frozenset[str] | None, after: Cursor | None
    ) -> tuple[Subscriber, list[Event]]:
        """Look on from now, or from a place on.

        Returns
        -------
        subscriber, missed : what is sent first is what was missed, then what is put into the
            subscriber

        Raises
        ------
        StorageUnreachable : the database does not answer
        """
        subscriber = Subscriber(kinds)
        async with self._opening:
            if not self._subscribers:
                await self._begin()
            elif after is not None:
                await self._catch_up(after)
            self._subscribers.add(subscriber)
            here = self._cursor
        try:
            missed = [_event(HELLO, {"at": datetime.now(UTC)}, after or here)]
            if after is not None:
                missed += await self._missed(after, here)
        except BaseException:
            self.leave(subscriber)
            raise
        return subscriber, [
            event for event in missed if _own(event) or subscriber.wants(event.kind)
        ]

    def leave(self, subscriber: Subscriber) -> None:
        """It looks on no longer."""
        self._subscribers.discard(subscriber)
        if not self._subscribers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _begin(self) -> None:
        for task in self._tasks:
            task.cancel()
        journal, _, last = await self._queries.run(usecases.feed_ends, self._project)
        self._cursor = Cursor(journal, last)
        self._seen = {}
        self._since = self._counted_until = datetime.now(UTC)
        self._tasks = [
            asyncio.create_task(self._look_on(), name="churnkit-feed"),
            asyncio.create_task(self._listen(), name="churnkit-feed-listen"),
        ]

    async def _catch_up(self, place: Cursor) -> None:
        """Another replica may have told more than this one, which looks now and then."""
        before = None
        while self._cursor != before and (
            place.journal > self._cursor.journal or place.happenings > self._cursor.happenings
        ):
            before = self._cursor
            await self._tell_happenings()

    async def _missed(self, after: Cursor, here: Cursor) -> list[Event]:
        """What happened between two places."""
        project = self._project
        _, first, _ = await self._queries.run(usecases.feed_ends, project)
        limit = _MOST_RESUMED + 1
        entries = await self._queries.run(usecases.journal_after, project, after.journal, limit)
        told = await self._queries.run(usecases.happenings_after, project, after.happenings, limit)
        entries = tuple(one for one in entries if one.sequence <= here.journal)
        told = tuple(one for one in told if one.sequence <= here.happenings)
        lost = after.happenings > here.happenings or after.journal > here.journal
        lost = lost or (first > after.happenings + 1 and here.happenings > after.happenings)
        events: list[Event] = []
        if lost or len(entries) + len(told) > _MOST_RESUMED:
            why = "more happened than is kept: read the lists anew"
            return [_event(GAP, {"what": why}, here)]
        at = after
        both: list[JournalEntry | Happening] = [*entries, *told]
        for one in sorted(both, key=lambda one: one.at):
            at, event = _told(at, one)
            events.append(event)
        return events

    # --- looking -----------------------------------------------------------------------------

    async def _look_on(self) -> None:
        turn = 0.0
        trouble = False
        while True:
            try:
                await self._tell_happenings()
                if time.monotonic() - turn >= _LOOK_SECONDS:
                    turn = time.monotonic()
                    await self._tell_predictions()
                trouble = False
            except ChurnkitError as error:
                if not trouble:
                    log.warning("feed cannot look", extra={"error": error.to_json()})
                trouble = True
            except Exception:  # a mistake of ours must not end all feeds
                log.exception("feed cannot look")
            await asyncio.sleep(_SHORTEST_PAUSE)
            try:
                async with asyncio.timeout(_LOOK_SECONDS - _SHORTEST_PAUSE):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _tell_happenings(self) -> None:
        project = self._project
        async with self._looking:
            at = self._cursor
            entries = await self._queries.run(
                usecases.journal_after, project, at.journal, _MOST_TOLD
            )
            told = await self._queries.run(
                usecases.happenings_after, project, at.happenings, _MOST_TOLD
            )
            both: list[JournalEntry | Happening] = [*entries, *told]
            for one in both:
                self._cursor, event = _told(self._cursor, one)
                self._put(event)
        if max(len(entries), len(told)) == _MOST_TOLD:
            self._wake.set()  # there may be more

    async def _tell_predictions(self) -> None:
        now = datetime.now(UTC)
        if any(one.wants(PREDICTION) for one in self._subscribers):
            await self._tell_newest(now)
        until = now - _COUNT_BEHIND
        if until - self._counted_until < timedelta(seconds=1):
            return
        after, self._counted_until = self._counted_until, until
        if any(one.wants(PREDICTIONS) for one in self._subscribers):
            found = await self._queries.run(
                usecases.count_predictions, self._project, after=after, until=until
            )
            if found:
                counts = [one.model_dump() for one in found]
                n = sum(one.n for one in found)
                self._put(
                    _event(PREDICTIONS, {"from": after, "to": until, "n": n, "counts": counts})
                )

    async def _tell_newest(self, now: datetime) -> None:
        since = max(self._since, now - _LOOK_BACK)
        found = await self._queries.run(
            usecases.newest_predictions, self._project, since=since, limit=_MOST_SHOWN
        )
        new = [one for one in found if one.prediction_id not in self._seen]
        # All of them new, and as many as may be told: there were more.
        sampled = len(new) == _MOST_SHOWN
        for one in reversed(new):
            self._seen[one.prediction_id] = one.made_at
            self._put(_event(PREDICTION, {**one.model_dump(), "sampled": sampled}))
        self._seen = {name: at for name, at in self._seen.items() if at > since}

    def _put(self, event: Event) -> None:
        self._metrics.feed_events.labels(
            event.kind if event.kind in (PREDICTION, PREDICTIONS, JOURNAL) else "announced"
        ).inc()
        for subscriber in self._subscribers:
            subscriber.put(event)

    async def _listen(self) -> None:
        """Look at once when something is announced, where the database tells."""
        while True:
            listening = usecases.listening(self._project, self._wake.set)
            if listening is None:
                return
            try:
                async with listening as ended:
                    await ended.wait()
            except ChurnkitError:
                pass  # the looks find it, a little later
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)


def _told(at: Cursor, one: JournalEntry | Happening) -> tuple[Cursor, Event]:
    """The event, and the place behind it."""
    if isinstance(one, Happening):
        place = Cursor(at.journal, one.sequence)
        return place, _event(one.kind, {"at": one.at, **one.document}, place)
    place = Cursor(one.sequence, at.happenings)
    shown = one.model_dump(exclude={"evidence", "previous_hash", "hash"})
    return place, _event(JOURNAL, shown, place)


def _own(event: Event) -> bool:
    return event.kind in (HELLO, GAP)


def _event(kind: str, data: dict[str, Any], place: Cursor | None = None) -> Event:
    """An event as server-sent events are written."""
    head = b"" if place is None else f"id: {place}\n".encode()
    body = orjson.dumps(data, default=str)  # orjson's JSON has no line ends
    return Event(kind, head + f"event: {kind}\ndata: ".encode() + body + b"\n\n")


def last_event(kind: str, **data: Any) -> bytes:
    """An event outside of the order, such as the last one."""
    return _event(kind, data).content
