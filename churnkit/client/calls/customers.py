"""Requests about customers."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from churnkit.client.call import Call
from churnkit.client.messages.customers import CustomerDetail, CustomersAnswer, CustomerSort


def customers(
    *,
    sort: CustomerSort = "probability",
    order: Literal["asc", "desc"] | None = None,
    risk_band: str | None = None,
    model_version: str | None = None,
    min_probability: float | None = None,
    max_probability: float | None = None,
    prefix: str | None = None,
    search: str | None = None,
    counts: bool = False,
    cursor: str | None = None,
    offset: int = 0,
    limit: int = 100,
) -> Call[CustomersAnswer]:
    """A page of the latest scores.

    Parameters
    ----------
    risk_band : low, medium or high; several with commas
    order : None: rising by customer_id, falling by all others
    prefix, search : what the customer id begins with, and what it holds somewhere
    counts : also count all customers that the filter lets through
    offset : skip so many, to jump within a table
    """
    given = {
        "sort": sort,
        "order": order,
        "risk_band": risk_band,
        "model_version": model_version,
        "min_probability": min_probability,
        "max_probability": max_probability,
        "prefix": prefix,
        "search": search,
        "counts": "true" if counts else None,
        "cursor": cursor,
        "offset": offset or None,
        "limit": limit,
    }
    query = {name: str(value) for name, value in given.items() if value is not None}
    return Call("GET", "/v1/customers", CustomersAnswer, query=query)


def customer(
    customer_id: str, *, cursor: str | None = None, limit: int = 100
) -> Call[CustomerDetail]:
    """What is known of one customer."""
    query = {"limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
    path = f"/v1/customers/{quote(customer_id, safe='')}"
    return Call("GET", path, CustomerDetail, query=query)
