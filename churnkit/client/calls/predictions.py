"""Requests about predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from churnkit.client.call import Call, new_key
from churnkit.client.messages.predictions import (
    PredictionItem,
    PredictionRequest,
    PredictionsAnswer,
    PredictionsPage,
    RecordedPrediction,
)
from churnkit.client.methods import Pages


def predict(
    customers: Mapping[str, Mapping[str, Any] | None],
    *,
    as_of: datetime | None = None,
    reasons: int = 0,
    on_error: Literal["fail", "skip"] = "fail",
    idempotency_key: str | None = None,
) -> Call[PredictionsAnswer]:
    """Score customers.

    Parameters
    ----------
    customers : features by customer id; None: the service knows them
    idempotency_key : the same key does the same work once; None: a new one
    """
    items = [
        PredictionItem(customer_id=name)
        if features is None
        else PredictionItem(customer_id=name, features=dict(features))
        for name, features in customers.items()
    ]
    asked: dict[str, Any] = {"items": items, "reasons": reasons, "on_error": on_error}
    if as_of is not None:
        asked["as_of"] = as_of
    return Call(
        "POST",
        "/v1/predictions",
        PredictionsAnswer,
        body=PredictionRequest(**asked),
        idempotency_key=idempotency_key or new_key(),
    )


def prediction(prediction_id: str) -> Call[RecordedPrediction]:
    """One recorded prediction."""
    return Call("GET", f"/v1/predictions/{quote(prediction_id, safe='')}", RecordedPrediction)


def predictions(
    *,
    customer_id: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Call[PredictionsPage]:
    """A page of recorded predictions, made in [since, until), the newest first."""
    given: Sequence[tuple[str, str | None]] = (
        ("customer_id", customer_id),
        ("model_version", model_version),
        ("from", None if since is None else since.isoformat()),
        ("to", None if until is None else until.isoformat()),
        ("cursor", cursor),
        ("limit", str(limit)),
    )
    query = {name: value for name, value in given if value is not None}
    return Call("GET", "/v1/predictions", PredictionsPage, query=query)


def each_prediction(
    *,
    customer_id: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    page_size: int = 100,
) -> Pages[PredictionsPage, RecordedPrediction]:
    """Recorded predictions, the newest first; pages are fetched as they are needed."""
    return Pages(
        lambda cursor: predictions(
            customer_id=customer_id,
            model_version=model_version,
            since=since,
            until=until,
            cursor=cursor,
            limit=page_size,
        ),
        lambda page: page.predictions,
        lambda page: page.next_cursor,
    )
