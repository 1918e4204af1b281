"""``/v1/customers``: the latest scores, and what is known of one customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import orjson
from aiohttp import web

from churnkit.client.messages.customers import (
    CustomerDetail,
    CustomerOutcome,
    CustomerQuery,
    CustomersAnswer,
    CustomersQuery,
    CustomerTreatment,
)
from churnkit.client.messages.predictions import LONGEST_CUSTOMER_ID
from churnkit.client.messages.problems import Fault
from churnkit.errors import StorageUnreachable, UnknownCustomer
from churnkit.usecases.scoring import customers as usecases
from churnkit_service.cursors import decode, encode, read_cursor, write_cursor
from churnkit_service.endpoint import Call, Endpoint, json_response, read_query
from churnkit_service.problems import RequestInvalid
from churnkit_service.recorded import recorded

_TYPES: dict[str, tuple[type, ...]] = {
    "probability": (float, str),
    "customer_id": (str,),
    "made_at": (datetime, str),
    "risk_band": (int, float, str),
}


async def list_(call: Call) -> web.Response:
    """The latest scores, page by page."""
    asked = read_query(call, CustomersQuery)
    if asked.offset and asked.cursor is not None:
        fault = Fault(
            field="query.offset", given=str(asked.offset), expected="either a cursor or an offset"
        )
        raise RequestInvalid("a cursor and an offset were given.", faults=(fault,))
    order = asked.order or ("asc" if asked.sort == "customer_id" else "desc")
    page = await call.ask(
        usecases.customers_page,
        usecases.CustomerFilter(
            risk_band=asked.risk_band,
            model_version=asked.model_version,
            minimum=asked.min_probability,
            maximum=asked.max_probability,
            prefix=asked.prefix,
            search=asked.search,
        ),
        sort=asked.sort,
        descending=order == "desc",
        after=None if asked.cursor is None else _place(asked.cursor, asked.sort, order),
        limit=asked.limit + 1,
        counts=asked.counts,
        skip=asked.offset,
    )
    rows = page.rows[: asked.limit]
    more = len(page.rows) > asked.limit
    moment = page.refreshed_at
    return json_response(
        {
            "customers": [row.model_dump(mode="json") for row in rows],
            "next_cursor": _cursor(rows[-1], asked.sort, order) if more else None,
            "refreshed_at": None if moment is None else moment.isoformat(),
            "counts": None if page.counts is None else asdict(page.counts),
        }
    )


def _cursor(row: usecases.LatestScore, sort: usecases.Sort, order: str) -> str:
    values = [
        value.isoformat() if isinstance(value, datetime) else value
        for value in usecases.place_of(row, sort)
    ]
    return encode(orjson.dumps([sort, order, *values]))


def _place(cursor: str, sort: str, order: str) -> usecases.Place:
    def read(content: bytes) -> usecases.Place:
        told = orjson.loads(content)
        if not isinstance(told, list) or told[:2] != [sort, order]:
            raise ValueError
        return _values(told[2:], _TYPES[sort])

    return decode(cursor, read, expected="a cursor from the page before, in the same order")


def _values(told: Sequence[object], types: Sequence[type]) -> usecases.Place:
    if len(told) != len(types):
        raise ValueError
    values: list[object] = []
    for value, kind in zip(told, types, strict=True):
        found: object = value
        if kind is datetime:
            found = datetime.fromisoformat(str(value))
            if found.utcoffset() != timedelta(0):
                raise ValueError
        elif kind is float and type(value) is int:
            found = float(value)
        elif type(value) is not kind or (kind is int and not -1 <= int(str(value)) <= 2):
            raise ValueError
        if isinstance(found, str) and "\0" in found:
            raise ValueError
        values.append(found)
    return tuple(values)


async def show(call: Call) -> web.Response:
    """What is known of one customer."""
    asked = read_query(call, CustomerQuery)
    name = call.request.match_info["customer_id"]
    if len(name) > LONGEST_CUSTOMER_ID or "\0" in name:
        raise UnknownCustomer("no customer has such an id.", fix="It has 1 to 200 characters.")
    found = await call.ask(
        usecases.one_customer,
        name,
        after=None if asked.cursor is None else read_cursor(asked.cursor),
        limit=asked.limit + 1,
    )
    page = found.predictions[: asked.limit]
    more = len(found.predictions) > asked.limit
    answer: dict[str, Any] = {
        "customer_id": name,
        "predictions": [recorded(row) for row in page],
        "next_cursor": write_cursor(page[-1].made_at, page[-1].prediction_id) if more else None,
        "outcomes": [
            CustomerOutcome(**asdict(one)).model_dump(mode="json") for one in found.outcomes
        ],
        "treatments": [
            CustomerTreatment(**asdict(one)).model_dump(mode="json") for one in found.treatments
        ],
    }
    return json_response(answer)


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/customers", list_, "List customers by their latest scores", "customers", "read",
        query=CustomersQuery,
        answers={200: (CustomersAnswer, "A page of customers, in order.")},
        problems=(RequestInvalid, StorageUnreachable),
        description="Predictions appear here a few seconds after they are committed; "
        "`refreshed_at` says up to when. A customer whose score does not change while pages are "
        "read comes exactly once; sorted by `customer_id`, every customer does.",
    ),
    Endpoint(
        "GET", "/v1/customers/{customer_id}", show, "Show a customer", "customers", "read",
        query=CustomerQuery,
        answers={200: (CustomerDetail, "Predictions, outcomes and treatments.")},
        problems=(RequestInvalid, UnknownCustomer, StorageUnreachable),
    ),
)  # fmt: skip
