"""``/v1/predictions``: score customers, look up what was predicted."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from churnkit.client.messages.predictions import (
    PredictionRequest,
    PredictionsAnswer,
    PredictionsPage,
    PredictionsQuery,
    RecordedPrediction,
)
from churnkit.errors import LedgerBusy, NoChampion, StorageUnreachable
from churnkit.usecases import online as usecases
from churnkit_service.answering import answer
from churnkit_service.cursors import read_cursor, write_cursor
from churnkit_service.endpoint import Call, Endpoint, json_response, read_json, read_query
from churnkit_service.idempotency import KeyedRequest, keyed
from churnkit_service.problems import (
    CustomerErased,
    IdempotencyKeyReused,
    NotFound,
    RequestInFlight,
    RequestInvalid,
)
from churnkit_service.reading import read_request
from churnkit_service.recorded import named_prediction, recorded


async def create(call: Call) -> web.Response:
    """Score; the answer is sent when the predictions are committed."""
    if "Idempotency-Key" not in call.request.headers:
        return await _create(call, None)
    async with keyed(call) as request:
        assert request is not None
        return await request.replay() or await _create(call, request)


async def _create(call: Call, request: KeyedRequest | None) -> web.Response:
    answered = await answer(call, read_request(read_json(call)))
    kept = None if request is None else request.keep(200, answered.body, datetime.now(UTC))
    if answered.parts or kept is not None:
        committed = await call.service.writer.submit(answered.parts, kept)
        if not committed and request is not None:
            # Another process answered the same request a moment earlier: its answer counts.
            replayed = await request.replay()
            if replayed is not None:
                return replayed
    call.service.committed(answered)
    return web.Response(
        body=answered.body,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )


async def show(call: Call) -> web.Response:
    """One recorded prediction."""
    return json_response(recorded(await named_prediction(call)))


async def history(call: Call) -> web.Response:
    """Recorded predictions, page by page."""
    asked = read_query(call, PredictionsQuery)
    rows = await call.ask(
        usecases.predictions_page,
        customer_id=asked.customer_id,
        model_version=asked.model_version,
        since=asked.from_,
        until=asked.to,
        after=None if asked.cursor is None else read_cursor(asked.cursor),
        limit=asked.limit + 1,
    )
    more = len(rows) > asked.limit
    page = rows[: asked.limit]
    return json_response(
        {
            "predictions": [recorded(row) for row in page],
            "next_cursor": write_cursor(page[-1].made_at, page[-1].prediction_id) if more else None,
        }
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/predictions",
        create,
        "Score customers",
        "predictions",
        "score",
        body=PredictionRequest,
        answers={200: (PredictionsAnswer, "The predictions; they are committed.")},
        problems=(
            RequestInvalid,
            CustomerErased,
            RequestInFlight,
            IdempotencyKeyReused,
            NoChampion,
            StorageUnreachable,
            LedgerBusy,
        ),
        idempotent_key=True,
        bounded=True,
        description="Each prediction is in the ledger before it is answered. A category that "
        "the model never saw counts as missing and is named in `unknown_categories`. A customer "
        "who was erased is refused.",
    ),
    Endpoint(
        "GET",
        "/v1/predictions",
        history,
        "List recorded predictions",
        "predictions",
        "read",
        query=PredictionsQuery,
        answers={200: (PredictionsPage, "A page, the newest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET",
        "/v1/predictions/{prediction_id}",
        show,
        "Show a recorded prediction",
        "predictions",
        "read",
        answers={200: (RecordedPrediction, "The prediction.")},
        problems=(NotFound, StorageUnreachable),
    ),
)
