"""A request for predictions, read: who is asked for, and what is wrong with whom.

pydantic decides what is right. Before it is asked, requests of the plainest shape are let through
by a few checks that are stricter than it: an object for every item of a thousand costs more than
their scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from churnkit.client.messages.predictions import (
    LONGEST_CUSTOMER_ID,
    MOST_ITEMS,
    MOST_REASONS,
    PredictionRequest,
)
from churnkit.client.messages.problems import Fault
from churnkit_service.bulk import read_items

Row = Mapping[str, object]
_PLAIN_KEYS = frozenset({"items", "reasons", "on_error"})
_ITEM_KEYS = {"customer_id", "features"}


@dataclass(slots=True)
class Asked:
    """A request that can be answered; the lists have one entry per item.

    ``places`` are the items' positions in what was sent; ``skipped`` says what is wrong with
    those that were left out. A row is None where the features are to be looked up.
    """

    customers: list[str]
    rows: list[Row | None]
    places: Sequence[int]
    reasons: int = 0
    on_error: Literal["fail", "skip"] = "fail"
    as_of: datetime | None = None
    skipped: list[Fault] = field(default_factory=list)


def read_request(data: Any) -> Asked:
    """A request from plain data.

    Raises
    ------
    RequestInvalid : each wrong field is named
    """
    plain = read_plain(data)
    if plain is not None:
        return plain
    asked = read_items(data, PredictionRequest)
    request = asked.request
    return Asked(
        [item.customer_id for item in request.items],
        [item.features for item in request.items],
        asked.places,
        request.reasons,
        request.on_error,
        request.as_of,
        list(asked.faults),
    )


def read_plain(data: Any) -> Asked | None:
    """A request of the plainest shape; None: let pydantic look at it."""
    if type(data) is not dict or not data.keys() <= _PLAIN_KEYS:
        return None
    items, reasons = data.get("items"), data.get("reasons", 0)
    on_error = data.get("on_error", "fail")
    if type(items) is not list or not 1 <= len(items) <= MOST_ITEMS:
        return None
    if type(reasons) is not int or not 0 <= reasons <= MOST_REASONS:
        return None
    if on_error not in ("fail", "skip"):
        return None
    customers: list[str] = []
    rows: list[Row | None] = []
    for item in items:
        if type(item) is not dict or item.keys() != _ITEM_KEYS:
            return None
        name, row = item["customer_id"], item["features"]
        if type(name) is not str or type(row) is not dict:
            return None
        if not 0 < len(name) <= LONGEST_CUSTOMER_ID or "\0" in name:
            return None
        customers.append(name)
        rows.append(row)
    return Asked(customers, rows, range(len(rows)), reasons, on_error)
