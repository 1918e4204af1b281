"""From a request's items to committed predictions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from churnkit.client.messages.problems import Fault
from churnkit.domain.identifiers import time_ordered_ids
from churnkit.domain.recording import PredictionColumns
from churnkit.usecases.operating.online import Scorer, Scores
from churnkit_service.problems import RequestInvalid
from churnkit_service.reading import Asked, Row
from churnkit_service.service import Service


class Asking(Protocol):
    """Who asks for predictions: an HTTP request, or a message of a broker."""

    @property
    def service(self) -> Service:
        """What answers."""

    @property
    def request_id(self) -> str:
        """Names it in the ledger and in the log."""


THREAD_FROM_ROWS = 64
"""So many rows are scored in a thread: the event loop answers others meanwhile."""
VARIANT = "champion"


async def complete(service: Service, asked: Asked) -> dict[int, Fault]:
    """Look up the features of customers who are only named; what is wrong where there are none."""
    named = [i for i, row in enumerate(asked.rows) if row is None]
    if not named:
        return {}
    if service.online_features is None:
        expected = "the columns that the model reads"
        fix = "This project has no features from events: send 'features' with each item."
        fault = Fault(field="features", expected=expected, fix=fix)
        return dict.fromkeys(named, fault)
    moment = asked.as_of or datetime.now(UTC)
    customers = [asked.customers[i] for i in named]
    found = await service.online_features.features(customers, moment)
    faults: dict[int, Fault] = {}
    for i, row in zip(named, found, strict=True):
        asked.rows[i] = row
        if row is None:
            expected = "a customer with events, or the columns that the model reads"
            faults[i] = Fault(field="features", expected=expected, fix="Send 'features', too.")
    return faults


async def score(scorer: Scorer, rows: Sequence[Row], reasons: int) -> Scores:
    """Score rows, many of them beside the event loop."""
    if not rows:
        return Scores([], [], [])
    if len(rows) < THREAD_FROM_ROWS and not reasons:
        return scorer.score(rows)
    return await asyncio.to_thread(scorer.score, rows, reasons=reasons)


async def predict(call: Asking, asked: Asked) -> tuple[bytes, PredictionColumns | None]:
    """Score a request.

    Returns
    -------
    answer : the body
    columns : what is to be committed before it is sent; None: nothing was scored

    Raises
    ------
    RequestInvalid : an item cannot be scored, and the others shall not be without it
    NoChampion : no model serves
    """
    service = call.service
    scorer = service.champion.scorer
    lacking = await complete(service, asked) if None in asked.rows else {}
    given: Sequence[int] = range(len(asked.rows))
    if lacking:
        given = [i for i in given if i not in lacking]
    rows = [row for row in asked.rows if row is not None]
    if len(rows) == 1 and not asked.reasons:
        scores = scorer.score(rows)
    else:
        scores = await score(scorer, rows, asked.reasons)
    faults: Sequence[Fault] = ()
    if lacking or scores.faults or asked.skipped:
        faults = faults_of(asked, lacking, given, scores)
    if faults and asked.on_error == "fail":
        raise refused(faults)
    good = [i for n, i in enumerate(given) if n not in scores.faults] if scores.faults else given
    customers = asked.customers
    if len(good) < len(customers):
        customers = [customers[i] for i in good]
    now = time.time()
    ids = time_ordered_ids(len(good), int(now * 1000))
    answer = _answer(scorer.version, ids, customers, scores, faults)
    if not good:
        return answer, None
    reasons = [orjson.dumps(r).decode() for r in scores.reasons] or ["[]"] * len(good)
    unknown: list[str | None] = [None] * len(good)
    for i, names in scores.unknown.items():
        unknown[i] = orjson.dumps(names).decode()
    columns = PredictionColumns(
        prediction_ids=ids,
        customer_ids=customers,
        probabilities=scores.probabilities,
        risk_bands=scores.risk_bands,
        reasons=reasons,
        unknown_categories=unknown,
        model_version=scorer.version,
        variant=VARIANT,
        made_at=datetime.fromtimestamp(now, UTC),
        as_of=asked.as_of,
        request_id=call.request_id,
    )
    service.noting.note(columns, asked.rows, good)
    return answer, columns


def faults_of(
    asked: Asked, lacking: Mapping[int, Fault], given: Sequence[int], scores: Scores
) -> list[Fault]:
    """Everything that is wrong, with each item's place in what was sent."""
    faults = list(asked.skipped)
    faults += [fault.model_copy(update={"item": asked.places[i]}) for i, fault in lacking.items()]
    for i, found in scores.faults.items():
        faults += [
            Fault(
                item=asked.places[given[i]],
                field=f"features.{fault.field}",
                given=fault.given,
                expected=fault.expected,
                fix=fault.fix,
            )
            for fault in found
        ]
    return faults


def refused(faults: Sequence[Fault]) -> RequestInvalid:
    """Names every fault; the first one in words."""
    first = faults[0]
    return RequestInvalid(
        f"item {first.item}: {first.field}: expected {first.expected}"
        + (f", was given {first.given}." if first.given is not None else "; it is missing."),
        fix=first.fix or "Mend the items, or send 'on_error': 'skip' to score the others.",
        faults=sorted(faults, key=lambda fault: fault.item or 0),
    )


def _answer(
    version: str,
    ids: Sequence[str],
    customers: Sequence[str],
    scores: Scores,
    faults: Sequence[Fault],
) -> bytes:
    reasons = scores.reasons or [[]] * len(ids)
    predictions: list[dict[str, Any]] = [
        {
            "prediction_id": name,
            "customer_id": customer,
            "probability": probability,
            "risk_band": band,
            "reasons": why,
            "model_version": version,
            "variant": VARIANT,
            "unknown_categories": (),
        }
        for name, customer, probability, band, why in zip(
            ids, customers, scores.probabilities, scores.risk_bands, reasons, strict=True
        )
    ]
    for i, names in scores.unknown.items():
        predictions[i]["unknown_categories"] = names
    told = [fault.model_dump() for fault in sorted(faults, key=lambda fault: fault.item or 0)]
    return orjson.dumps({"predictions": predictions, "errors": told})
