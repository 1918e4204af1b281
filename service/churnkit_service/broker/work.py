"""What a delivered message does: events change features, requests are scored; once each.

What a message does and the answer to it are committed together under the message's key. When it is
delivered again, because the process died before it could acknowledge, the same answer is found and
published again under the same id, which the broker recognises.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson

from churnkit.client.messages.predictions import Prediction
from churnkit.client.messages.problems import Fault
from churnkit.domain.recording import IdempotentAnswer
from churnkit.errors import BadValue, ChurnkitError, NoOnlineState, StorageError
from churnkit.settings.broker import BrokerTable
from churnkit.usecases.operating import online as usecases
from churnkit_service.answered import Answered
from churnkit_service.answering import answer
from churnkit_service.broker.delivery import Dead, Delivery, Done, Later, Outcome, Publication
from churnkit_service.events import read_events, take_in
from churnkit_service.idempotency import Claim, claimed
from churnkit_service.problems import (
    BodyMalformed,
    HttpProblem,
    InternalError,
    RequestInFlight,
    RequestInvalid,
    status_of,
)
from churnkit_service.reading import read_request
from churnkit_service.service import Service

log = logging.getLogger("churnkit.broker")
OWNER = "broker"
"""Of answers in the ledger; API keys have other names."""
_ATTEMPTS = "broker attempts"
_LONGEST_PAUSE = 30.0
_LOOK_SECONDS = 0.5


class DeliveredTooOften(HttpProblem):
    """A message was delivered more often than allowed, and never came to its end."""

    status = 422


class EventsLeftOut(HttpProblem):
    """Some events of a message were not taken in."""

    status = 422


@dataclasses.dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for predictions, where no HTTP request does."""

    service: Service
    request_id: str


class Worker:
    """Does what messages ask for; belongs to one event loop.

    Parameters
    ----------
    service : started
    settings : the table ``broker``
    """

    def __init__(self, service: Service, settings: BrokerTable) -> None:
        self._service = service
        self._settings = settings
        self._away = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.stopping = asyncio.Event()

    async def handle(
        self, delivery: Delivery, alive: Callable[[], Awaitable[None]] | None = None
    ) -> Outcome:
        """Do it, and say what is to become of the message.

        Parameters
        ----------
        alive : tells the broker that the message is being worked on; called while waiting
        """
        start = time.perf_counter()
        outcome = await self._handled(delivery, alive)
        self._service.metrics.broker_message(
            delivery.role, type(outcome).__name__.lower(), time.perf_counter() - start
        )
        if not isinstance(outcome, Done):
            log.warning(
                "message not done",
                extra={
                    "message_key": delivery.key,
                    "role": delivery.role,
                    "deliveries": delivery.deliveries,
                    "error": outcome.error.to_json(),
                    "again": isinstance(outcome, Later),
                },
            )
        return outcome

    async def _handled(
        self, delivery: Delivery, alive: Callable[[], Awaitable[None]] | None
    ) -> Outcome:
        try:
            await self._until_reachable(alive)
            if delivery.deliveries > self._settings.max_deliveries:
                return await self._watched(delivery)
            return await self._done(delivery)
        except StorageError as error:
            self._database_is_away()
            return self._later(delivery, error, counts=False)

    async def _watched(self, delivery: Delivery) -> Outcome:
        """A message that was delivered so often may be one that ends the process.

        Deliveries alone do not tell: they may all have met a database that was away. So it is
        written down that it is tried; who finds that written knows that the attempt had no end.

        Raises
        ------
        StorageError : the database is away
        """
        mark = IdempotentAnswer(_ATTEMPTS, delivery.key, "", 0, b"", datetime.now(UTC))
        if not await self._service.writer.submit((), mark):
            return Dead(
                DeliveredTooOften(
                    f"this message was delivered {delivery.deliveries} times, and the last "
                    "attempt had no end.",
                    fix="Look into the log for what happened to it; it may end the process.",
                )
            )
        try:
            return await self._done(delivery)
        finally:
            await self._forget_attempt(delivery)

    async def _forget_attempt(self, delivery: Delivery) -> None:
        service = self._service
        with suppress(StorageError):  # then the next attempt is the last one
            await service.queries.run(
                usecases.forget_answer, service.project, _ATTEMPTS, delivery.key
            )

    async def _done(self, delivery: Delivery) -> Outcome:
        try:
            if delivery.role == "events":
                return await self._events(delivery)
            return await self._request(delivery)
        except StorageError:
            raise
        except ChurnkitError as error:
            if isinstance(error, NoOnlineState | RequestInFlight) or status_of(error) >= 500:
                return self._later(delivery, error, counts=False)
            return Dead(error)
        except Exception as error:  # a mistake of ours, or a message that causes one
            log.exception("message failed", extra={"message_key": delivery.key})
            told = InternalError(f"the service made a mistake: {type(error).__name__}.")
            if delivery.deliveries >= self._settings.max_deliveries:
                return Dead(told)
            return self._later(delivery, told, counts=True)

    def _later(self, delivery: Delivery, error: ChurnkitError, *, counts: bool) -> Later:
        exponent = min(delivery.deliveries - 1, 10)
        pause = min(self._settings.retry_seconds * 2**exponent, _LONGEST_PAUSE)
        return Later(pause, error, counts)

    # --- while the database is away ----------------------------------------------------------

    async def _until_reachable(self, alive: Callable[[], Awaitable[None]] | None) -> None:
        """Messages wait here: each delivery that fails counts against its message."""
        told = time.monotonic()
        while self._away.is_set() and not self.stopping.is_set():
            await asyncio.sleep(_LOOK_SECONDS / 10)
            if alive is not None and time.monotonic() - told > self._settings.ack_wait_seconds / 3:
                told = time.monotonic()
                await alive()

    def _database_is_away(self) -> None:
        if not self._away.is_set():
            self._away.set()
            self._watching = asyncio.create_task(self._look_for_database())

    async def _look_for_database(self) -> None:
        try:
            while not self.stopping.is_set():
                await asyncio.sleep(_LOOK_SECONDS)
                try:
                    await self._service.queries.run(usecases.ping, self._service.project)
                except ChurnkitError:
                    continue
                if self._service.writer.available:
                    return
        finally:
            self._away.clear()

    # --- events ------------------------------------------------------------------------------

    async def _events(self, delivery: Delivery) -> Done:
        data = _json(delivery.body)
        if isinstance(data, dict) and "items" not in data:
            data = {"items": [data]}  # one event
        taken = await take_in(self._service, read_events(data), now=datetime.now(UTC))
        assert taken is not None  # nothing was kept under a key
        faults = [Fault.model_validate(one) for one in taken["errors"]]
        late = "an event within online.lateness_days"
        faults += [Fault(item=i, field="event_time", expected=late) for i in taken["late_items"]]
        if not faults:
            return Done()
        n = taken["rejected"] + taken["too_late"]
        return Done(partly=EventsLeftOut(f"{n} of its events were not taken in.", faults=faults))

    # --- requests ----------------------------------------------------------------------------

    async def _request(self, delivery: Delivery) -> Done:
        data = _json(delivery.body)
        name = data.pop("id", None) if isinstance(data, dict) else None
        if name is not None and not isinstance(name, str):
            fault = Fault(field="id", given=repr(name)[:60], expected="a text")
            raise RequestInvalid("id: expected a text.", faults=(fault,))
        what = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
        with claimed(self._service, OWNER, delivery.key, what) as claim:
            known = await claim.find()
            body = await self._scored(delivery, data, claim) if known is None else known.answer
        return Done(self._publications(delivery, name, body))

    async def _scored(self, delivery: Delivery, data: Any, claim: Claim) -> bytes:
        asked = read_request(data)
        n_items = len(asked.rows) + len({fault.item for fault in asked.skipped})
        answered = await answer(Asker(self._service, delivery.key), asked)
        told = orjson.loads(answered.body)
        bad = {fault["item"] for fault in told["errors"]}
        ids = [delivery.prediction_id(i) for i in range(n_items) if i not in bad]
        answered = renamed(answered, told, ids)
        kept = claim.keep(200, answered.body, datetime.now(UTC))
        try:
            committed = await self._service.writer.submit(answered.parts, kept)
        except BadValue:
            recorded = await self._recorded(ids)
            if recorded is None:
                raise
            # The answer was forgotten, its predictions were not.
            return orjson.dumps({**told, "predictions": recorded})
        if not committed:
            found = await claim.find()
            assert found is not None  # its key was in our way
            return found.answer
        self._service.committed(answered)
        return answered.body

    async def _recorded(self, ids: Sequence[str]) -> list[dict[str, Any]] | None:
        """These predictions as they were answered; None: they are not all there."""
        service = self._service
        rows = await service.queries.run(usecases.find_predictions, service.project, ids)
        if any(row is None for row in rows):
            return None
        return [
            Prediction.model_validate(row.model_dump()).model_dump(mode="json")
            for row in rows
            if row is not None
        ]

    def _publications(
        self, delivery: Delivery, name: str | None, answer: bytes
    ) -> list[Publication]:
        """The answer; one that is too long for a message in several parts."""
        head: dict[str, Any] = {"id": name, "message_id": delivery.message_id}
        room = self._settings.max_message_bytes - 2_000
        parts = [answer]
        if len(answer) > room:
            told = orjson.loads(answer)
            parts = [
                orjson.dumps({"predictions": chunk, "errors": []})
                for chunk in _chunks(told["predictions"], room)
            ]
            parts += [
                orjson.dumps({"predictions": [], "errors": chunk})
                for chunk in _chunks(told["errors"], room)
            ]
        found = []
        for n, part in enumerate(parts, 1):
            start = orjson.dumps({**head, "part": n, "parts": len(parts)})[:-1]
            found.append(Publication(f"{delivery.key}-{n}", start + b"," + part[1:]))
        return found


def renamed(answered: Answered, told: dict[str, Any], ids: Sequence[str]) -> Answered:
    """The same answer under other ids, wherever they are named.

    Parameters
    ----------
    told : the answer's body as plain data; its predictions get the new ids, too
    ids : in the order of the predictions
    """
    new: dict[str, str] = {}
    for one, prediction_id in zip(told["predictions"], ids, strict=True):
        new[one["prediction_id"]] = prediction_id
        one["prediction_id"] = prediction_id
    return Answered(
        orjson.dumps(told),
        tuple(
            dataclasses.replace(part, prediction_ids=[new[one] for one in part.prediction_ids])
            for part in answered.parts
        ),
        tuple(
            dataclasses.replace(job, answers=[new[one] for one in job.answers])
            for job in answered.shadows
        ),
        tuple(
            failure.model_copy(update={"prediction_id": new[failure.prediction_id]})
            for failure in answered.failures
        ),
    )


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyMalformed(
            f"the message is not JSON: {error}.", fix="Mend the JSON text."
        ) from None


def _chunks(items: Sequence[Any], room: int) -> list[Sequence[Any]]:
    """Halves of halves, until each one is short enough."""
    if len(items) <= 1 or len(orjson.dumps(items)) <= room:
        return [items] if items else []
    middle = len(items) // 2
    return _chunks(items[:middle], room) + _chunks(items[middle:], room)
