"""Requests about customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from churnkit.client.call import Call
from churnkit.client.messages.customers import (
    CustomerCounts,
    CustomerDetail,
    CustomersAnswer,
    CustomerScore,
    CustomerSort,
)
from churnkit.client.methods import Pages


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


def each_customer(
    *,
    sort: CustomerSort = "probability",
    order: Literal["asc", "desc"] | None = None,
    risk_band: Literal["low", "medium", "high"] | None = None,
    model_version: str | None = None,
    min_probability: float | None = None,
    max_probability: float | None = None,
    prefix: str | None = None,
    search: str | None = None,
    page_size: int = 100,
) -> Pages[CustomersAnswer, CustomerScore]:
    """Latest scores in order, see ``customers``; pages are fetched as they are needed."""
    return Pages(
        lambda cursor: customers(
            sort=sort,
            order=order,
            risk_band=risk_band,
            model_version=model_version,
            min_probability=min_probability,
            max_probability=max_probability,
            prefix=prefix,
            search=search,
            cursor=cursor,
            limit=page_size,
        ),
        lambda page: page.customers,
        lambda page: page.next_cursor,
    )


def customer_counts(
    *,
    risk_band: Literal["low", "medium", "high"] | None = None,
    model_version: str | None = None,
    min_probability: float | None = None,
    max_probability: float | None = None,
    prefix: str | None = None,
    search: str | None = None,
) -> Call[CustomerCounts]:
    """How many customers there are, by risk band and model version."""
    asked = customers(
        risk_band=risk_band,
        model_version=model_version,
        min_probability=min_probability,
        max_probability=max_probability,
        prefix=prefix,
        search=search,
        counts=True,
        limit=1,
    )
    return _Counted(asked.method, asked.path, CustomerCounts, query=asked.query)


def customer_page(
    customer_id: str, *, cursor: str | None = None, page_size: int = 100
) -> Call[CustomerDetail]:
    """What is known of one customer: a page of predictions, outcomes, treatments."""
    return customer(customer_id, cursor=cursor, limit=page_size)


@dataclass(frozen=True)
class _Counted(Call[CustomerCounts]):
    """Of a page, only how many there are."""

    def read(self, status: int, content: bytes) -> CustomerCounts:
        """See ``Call.read``."""
        page = Call(self.method, self.path, CustomersAnswer).read(status, content)
        return page.counts or CustomerCounts(total=0, by_band={}, by_version={})
