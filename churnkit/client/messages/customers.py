"""Customers: their latest scores, and what is known of one of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from churnkit.client.messages.message import Answer, Request
from churnkit.client.messages.predictions import RecordedPrediction

_Part = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
_Version = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00]*$")]
CustomerSort = Literal["probability", "customer_id", "made_at", "risk_band"]


class CustomerScore(Answer):
    """A customer's newest prediction."""

    customer_id: str = Field(examples=["7590-VHVEG"])
    prediction_id: str
    probability: float = Field(ge=0, le=1)
    risk_band: Literal["low", "medium", "high"]
    model_version: str
    variant: str
    made_at: datetime


class CustomerCounts(Answer):
    """How many customers the filter lets through."""

    total: int
    by_band: dict[str, int]
    by_version: dict[str, int]


class CustomersAnswer(Answer):
    """A page of customers."""

    customers: tuple[CustomerScore, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")
    refreshed_at: datetime | None = Field(
        description="Predictions that were committed by this moment count; null: none yet."
    )
    counts: CustomerCounts | None = None


class CustomersQuery(Request):
    """Which customers, in which order."""

    sort: CustomerSort = "probability"
    order: Literal["asc", "desc"] | None = Field(
        None, description="Left out: rising by customer_id, falling by all others."
    )
    risk_band: (
        Annotated[
            str,
            StringConstraints(
                max_length=60, pattern=r"^(low|medium|high)(,(low|medium|high)){0,2}$"
            ),
        ]
        | None
    ) = Field(None, description="One, or several with commas.", examples=["high,medium"])
    model_version: _Version | None = None
    min_probability: float | None = Field(None, ge=0, le=1)
    max_probability: float | None = Field(None, ge=0, le=1)
    prefix: _Part | None = Field(None, description="What the customer id begins with.")
    search: _Part | None = Field(
        None, description="What the customer id holds somewhere, in upper or lower case."
    )
    counts: bool = Field(False, description="Count all customers that the filter lets through.")
    cursor: str | None = Field(
        None, max_length=1_500, description="From the page before, in the same order."
    )
    offset: int = Field(
        0,
        ge=0,
        le=1_000_000_000,
        description="Skip so many, to jump within a table; a cursor is steadier while scores "
        "change, and cannot be given with it.",
    )
    limit: int = Field(100, ge=1, le=1_000)


class CustomerOutcome(Answer):
    """What became true of a customer."""

    churned: bool | None
    as_of: datetime | None
    observed_from: datetime | None
    observed_to: datetime | None
    churned_at: datetime | None
    value: float | None
    known_at: datetime | None
    source: str


class CustomerTreatment(Answer):
    """An offer that a customer got, or was drawn not to get."""

    treatment_id: str
    at: datetime
    offer: str
    campaign: str
    assignment_probability: float | None
    hold_out: bool
    cost: float | None


class CustomerDetail(Answer):
    """What is known of one customer, the newest first."""

    customer_id: str
    predictions: tuple[RecordedPrediction, ...]
    next_cursor: str | None = Field(description="For earlier predictions; null: there are none.")
    outcomes: tuple[CustomerOutcome, ...] = Field(description="The newest 100.")
    treatments: tuple[CustomerTreatment, ...] = Field(description="The newest 100.")


class CustomerQuery(Request):
    """Which of the customer's predictions."""

    cursor: str | None = Field(None, max_length=200, description="From the page before.")
    limit: int = Field(100, ge=1, le=1_000)
