"""``/v1/outcomes`` and ``/v1/treatments``: what became true, and what was done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import orjson
from aiohttp import web

from churnkit.client.messages.outcomes import (
    OutcomesPage,
    OutcomesQuery,
    OutcomesRequest,
    RecordedAnswer,
    RecordedOutcome,
    RecordedTreatment,
    TreatmentsPage,
    TreatmentsQuery,
    TreatmentsRequest,
)
from churnkit.client.messages.problems import Fault
from churnkit.domain.outcomes import Outcome, Recorded, Treatment, treatment_name
from churnkit.errors import LedgerBusy, StorageUnreachable
from churnkit.usecases.outcomes.row_import import CONTRADICTORY, Unusable
from churnkit.usecases.outcomes.treatments import show_treatments, take_treatments
from churnkit.usecases.outcomes.verbs import show_outcomes, take_outcomes
from churnkit_service.bulk import read_items
from churnkit_service.cursors import NAMES, read_cursor, write_cursor
from churnkit_service.endpoint import (
    Call,
    Endpoint,
    json_bytes,
    json_response,
    read_json,
    read_query,
)
from churnkit_service.idempotency import AnsweredMeanwhile, KeyedRequest, answer_once
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid

_SOURCE = "rest"


async def create_outcomes(call: Call) -> web.Response:
    """Record outcomes; the answer is sent when they are committed."""
    return await _once(call, _create_outcomes)


async def _create_outcomes(call: Call) -> RecordedAnswer:
    asked = read_items(read_json(call), OutcomesRequest)
    rows = [
        Outcome(
            customer_id=item.customer_id,
            churned=item.churned if item.as_of is not None else item.churned_at is not None,
            source=_SOURCE,
            as_of=item.as_of,
            observed_from=item.observed_from,
            observed_to=item.observed_to,
            churned_at=item.churned_at,
            value=item.value,
            known_at=item.known_at,
        )
        for item in asked.request.items
    ]
    skip = asked.request.on_error == "skip"
    recorded, unusable, n_suppressed = await call.ask(
        take_outcomes, rows, now=datetime.now(UTC), skip=skip
    )
    faults = _faults(unusable, recorded, asked.places)
    if faults and not skip:
        raise _refused(faults)
    return RecordedAnswer(
        n_new=recorded.n_new,
        n_known=recorded.n_known,
        n_corrected=recorded.n_corrected,
        n_suppressed=n_suppressed,
        errors=(*asked.faults, *faults),
    )


async def create_treatments(call: Call) -> web.Response:
    """Record treatments; the answer is sent when they are committed."""
    return await _once(call, _create_treatments)


async def _create_treatments(call: Call) -> RecordedAnswer:
    asked = read_items(read_json(call), TreatmentsRequest)
    rows = [
        Treatment(
            treatment_id=item.treatment_id
            or treatment_name(item.customer_id, item.at, item.offer, item.campaign),
            customer_id=item.customer_id,
            at=item.at,
            offer=item.offer,
            campaign=item.campaign,
            source=_SOURCE,
            assignment_probability=item.assignment_probability,
            hold_out=item.hold_out,
            cost=item.cost,
        )
        for item in asked.request.items
    ]
    skip = asked.request.on_error == "skip"
    recorded, unusable, n_suppressed, n_violations = await call.ask(
        take_treatments, rows, now=datetime.now(UTC), skip=skip
    )
    faults = _faults(unusable, recorded, asked.places)
    if faults and not skip:
        raise _refused(faults)
    return RecordedAnswer(
        n_new=recorded.n_new,
        n_known=recorded.n_known,
        n_suppressed=n_suppressed,
        n_violations=n_violations,
        errors=(*asked.faults, *faults),
    )


async def list_outcomes(call: Call) -> web.Response:
    """Recorded outcomes, page by page."""
    asked = read_query(call, OutcomesQuery)
    found = await call.ask(
        show_outcomes,
        asked.customer_id,
        after=None if asked.cursor is None else read_cursor(asked.cursor, NAMES),
        limit=asked.limit + 1,
    )
    page = found.rows[: asked.limit]
    more = len(found.rows) > asked.limit
    answer = OutcomesPage(
        outcomes=tuple(
            RecordedOutcome(outcome_id=name, recorded_at=at, **asdict(row))
            for at, name, row in page
        ),
        next_cursor=write_cursor(page[-1][0], page[-1][1]) if more else None,
    )
    return json_response(answer.model_dump(mode="json"))


async def list_treatments(call: Call) -> web.Response:
    """Recorded treatments, page by page."""
    asked = read_query(call, TreatmentsQuery)
    found = await call.ask(
        show_treatments,
        asked.customer_id,
        campaign=asked.campaign,
        after=None if asked.cursor is None else read_cursor(asked.cursor, NAMES),
        limit=asked.limit + 1,
    )
    page = found.rows[: asked.limit]
    more = len(found.rows) > asked.limit
    answer = TreatmentsPage(
        treatments=tuple(RecordedTreatment(**asdict(row)) for row in page),
        next_cursor=write_cursor(page[-1].at, page[-1].treatment_id) if more else None,
    )
    return json_response(answer.model_dump(mode="json"))


async def _once(call: Call, work: Callable[[Call], Awaitable[RecordedAnswer]]) -> web.Response:
    """Under an Idempotency-Key the answer is kept; the work itself may be done twice unharmed."""

    async def record(request: KeyedRequest | None) -> web.Response:
        body = orjson.dumps((await work(call)).model_dump(mode="json"))
        if request is not None:
            kept = request.keep(200, body, datetime.now(UTC))
            if not await call.service.writer.submit((), kept):
                raise AnsweredMeanwhile
        return json_bytes(body)

    return await answer_once(call, record)


def _faults(
    unusable: Sequence[Unusable], recorded: Recorded, places: Sequence[int]
) -> tuple[Fault, ...]:
    found = [
        Fault(item=places[one.place], field=one.field, expected=f"it {one.reason}")
        for one in unusable
    ]
    found += [
        Fault(item=places[place], field="customer_id", expected=f"it {CONTRADICTORY}")
        for place in recorded.contradictory
    ]
    return tuple(sorted(found, key=lambda fault: fault.item or 0))


def _refused(faults: tuple[Fault, ...]) -> RequestInvalid:
    return RequestInvalid(
        "some items cannot be recorded; none was.",
        fix="Mend them, or send on_error = 'skip' to record the others.",
        faults=faults,
    )


_PROBLEMS = (
    RequestInvalid,
    RequestInFlight,
    IdempotencyKeyReused,
    StorageUnreachable,
    LedgerBusy,
)

ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/outcomes",
        create_outcomes,
        "Record what became true",
        "outcomes",
        "operate",
        body=OutcomesRequest,
        answers={200: (RecordedAnswer, "What became of the items; they are committed.")},
        problems=_PROBLEMS,
        idempotent_key=True,
        description="What is known already is not recorded twice; what says otherwise is a "
        "correction, and the row that became known last holds.",
    ),
    Endpoint(
        "GET",
        "/v1/outcomes",
        list_outcomes,
        "List recorded outcomes",
        "outcomes",
        "read",
        query=OutcomesQuery,
        answers={200: (OutcomesPage, "A page, the last recorded first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "POST",
        "/v1/treatments",
        create_treatments,
        "Record who got which offer",
        "outcomes",
        "operate",
        body=TreatmentsRequest,
        answers={200: (RecordedAnswer, "What became of the items; they are committed.")},
        problems=_PROBLEMS,
        idempotent_key=True,
        description="Record who was considered and left untreated, too (`hold_out`), with the "
        "probability of the draw: what follows can then be weighed.",
    ),
    Endpoint(
        "GET",
        "/v1/treatments",
        list_treatments,
        "List recorded treatments",
        "outcomes",
        "read",
        query=TreatmentsQuery,
        answers={200: (TreatmentsPage, "A page, the latest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
)
