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
from churnkit.usecases.operating import online as usecases
from churnkit_service.answering import answer
from churnkit_service.cursors import read_cursor, write_cursor
from churnkit_service.endpoint import (
    Call,
    Endpoint,
    json_bytes,
    json_response,
    read_json,
    read_query,
)
from churnkit_service.idempotency import AnsweredMeanwhile, KeyedRequest, answer_once
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

    async def score(request: KeyedRequest | None) -> web.Response:
        answered = await answer(call, read_request(read_json(call)))
        kept = None if request is None else request.keep(200, answered.body, datetime.now(UTC))
        if answered.parts or kept is not None:
            committed = await call.service.writer.submit(answered.parts, kept)
            if not committed and request is not None:
                raise AnsweredMeanwhile
        call.service.committed(answered)
        return json_bytes(answered.body)

    return await answer_once(call, score)


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
