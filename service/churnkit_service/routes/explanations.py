"""``/v1/explanations``: why a customer has a probability, and what if."""

from __future__ import annotations

import asyncio

from aiohttp import web

from churnkit.client.messages.explanations import (
    ExplanationRequest,
    ExplanationsAnswer,
    RecordedExplanation,
)
from churnkit.errors import BundleError, NoChampion, StorageUnreachable, UnknownModelVersion
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.operating import online as usecases
from churnkit.usecases.operating.online import Scorer
from churnkit_service.endpoint import Call, Endpoint, json_response, read_body
from churnkit_service.explaining import NOTE, explain_rows
from churnkit_service.problems import ModelNotReady, NotFound, RequestInvalid
from churnkit_service.reading import Asked
from churnkit_service.recorded import named_prediction
from churnkit_service.scoring import complete, refused


async def create(call: Call) -> web.Response:
    """Explain customers; nothing is recorded."""
    asked = read_body(call, ExplanationRequest)
    scorer = await _scorer(call, asked.model_version)
    rows = Asked(
        [item.customer_id for item in asked.items],
        [item.features for item in asked.items],
        range(len(asked.items)),
        as_of=asked.as_of,
    )
    lacking = await complete(call.service, rows)
    if lacking:
        raise refused([f.model_copy(update={"item": i}) for i, f in lacking.items()])
    told, faults = await asyncio.to_thread(
        explain_rows,
        scorer,
        rows.customers,
        [row for row in rows.rows if row is not None],
        [item.changes for item in asked.items],
        asked.k,
    )
    if faults:
        raise refused(faults)
    base = scorer.base
    return json_response(
        {
            "explanations": told,
            "model_version": scorer.version,
            "base_probability": base.probability,
            "base_margin": base.margin,
            "base_rate": base.rate,
            "note": NOTE,
        }
    )


async def _scorer(call: Call, version: str | None) -> Scorer:
    """The champion, or another model that is ready."""
    service = call.service
    champion = service.champion.scorer
    if version in (None, "champion", champion.version):
        return champion
    known = await call.ask(find_version, version)
    found = service.warm.get(known.version)
    if found is None and known.version != champion.version:
        raise ModelNotReady(
            f"{known.version} is not ready in this replica.",
            fix=f"POST /v1/models/{known.version}/load makes it ready.",
        )
    return found or champion


async def show(call: Call) -> web.Response:
    """The reasons that were recorded with a prediction."""
    row = await named_prediction(call)
    base = await call.ask(usecases.base_probability, row.model_version)
    told = row.model_dump(mode="json", exclude={"request_id", "rollout_id", "shadow_of", "reasons"})
    points = sum(reason.points for reason in row.reasons)
    return json_response(
        {
            **told,
            "base_probability": base,
            "reasons": [reason.model_dump() for reason in row.reasons],
            "other_points": row.probability - base - points,
            "note": NOTE,
        }
    )


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/explanations", create, "Explain customers", "explanations", "score",
        body=ExplanationRequest,
        answers={200: (ExplanationsAnswer, "Reasons in probability points; nothing is recorded.")},
        problems=(
            RequestInvalid, NoChampion, UnknownModelVersion, ModelNotReady, StorageUnreachable,
        ),
        description="With `changes`, the same customer is scored with other values, too, and "
        "both are compared.",
    ),
    Endpoint(
        "GET", "/v1/explanations/{prediction_id}", show, "Explain a recorded prediction",
        "explanations", "read",
        answers={200: (RecordedExplanation, "The reasons that were recorded.")},
        problems=(NotFound, UnknownModelVersion, BundleError, StorageUnreachable),
    ),
)  # fmt: skip
