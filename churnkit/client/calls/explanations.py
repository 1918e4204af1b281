"""Requests about why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from churnkit.client.call import Call
from churnkit.client.messages.explanations import (
    ExplanationItem,
    ExplanationRequest,
    ExplanationsAnswer,
    RecordedExplanation,
)


def explain(
    customers: Mapping[str, Mapping[str, Any] | None],
    *,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    k: int = 5,
    model_version: str | None = None,
    as_of: datetime | None = None,
) -> Call[ExplanationsAnswer]:
    """Why customers have their probabilities.

    Parameters
    ----------
    customers : features by customer id; None: the service knows them
    changes : by customer id, columns that have another value: what if
    k : reasons for each, the strongest first
    """
    items = []
    for name, features in customers.items():
        item: dict[str, Any] = {"customer_id": name}
        if features is not None:
            item["features"] = dict(features)
        if changes is not None and name in changes:
            item["changes"] = dict(changes[name])
        items.append(ExplanationItem(**item))
    asked: dict[str, Any] = {"items": items, "k": k}
    if model_version is not None:
        asked["model_version"] = model_version
    if as_of is not None:
        asked["as_of"] = as_of
    return Call("POST", "/v1/explanations", ExplanationsAnswer, body=ExplanationRequest(**asked))


def explanation(prediction_id: str) -> Call[RecordedExplanation]:
    """The reasons that were recorded with a prediction."""
    return Call("GET", f"/v1/explanations/{quote(prediction_id, safe='')}", RecordedExplanation)
