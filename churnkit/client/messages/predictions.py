"""Predictions: what is asked, what is answered, what is looked up later."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from churnkit.client.messages.message import Answer, Moment, Request
from churnkit.client.messages.problems import Fault

LONGEST_CUSTOMER_ID = 200
MOST_ITEMS = 1_000
MOST_REASONS = 100

CustomerId = Annotated[
    str,
    # PostgreSQL's text holds every character but NUL.
    StringConstraints(min_length=1, max_length=LONGEST_CUSTOMER_ID, pattern=r"^[^\x00]+$"),
    Field(examples=["7590-VHVEG"]),
]
COLUMN_VALUES: list[JsonValue] = [
    {
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
    {"type": "null"},
]
"""Columns by name, or nothing, as the documentation says it: what is read is checked later."""


class PredictionItem(Request):
    """One customer to score."""

    customer_id: CustomerId
    features: dict[str, Any] | None = Field(
        None,
        description="The columns that the model reads; null for a value that is not known. "
        "Without it, features are read from the online state.",
        json_schema_extra={"anyOf": COLUMN_VALUES},
    )


class PredictionRequest(Request):
    """Customers to score, 1 to 1,000 of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "customer_id": "7590-VHVEG",
                            "features": {"tenure": 1, "Contract": "Month-to-month"},
                        }
                    ],
                    "reasons": 3,
                }
            ]
        }
    )

    items: Annotated[list[PredictionItem], Field(min_length=1, max_length=MOST_ITEMS)]
    as_of: Moment | None = Field(
        None, description="The moment to look from, with its zone; null: now."
    )
    reasons: int = Field(
        0, ge=0, le=MOST_REASONS, strict=True, description="Reasons for each customer."
    )
    on_error: Literal["fail", "skip"] = Field(
        "fail", description="With an item that cannot be scored: refuse all, or score the others."
    )


class PredictionReason(Answer):
    """What one column adds to a probability, in probability points (0.12 = 12 points)."""

    column: str
    value: str | float | bool | None
    points: float


class Prediction(Answer):
    """A customer's probability of leaving."""

    prediction_id: str = Field(examples=["019ab3f26c8e7d11a2b4c6d8e0f21436"])
    customer_id: str
    probability: float = Field(ge=0, le=1)
    risk_band: Literal["low", "medium", "high"]
    reasons: tuple[PredictionReason, ...] = ()
    model_version: str = Field(examples=["v1"])
    variant: str = Field(description="Why this model answered, such as 'champion'.")
    unknown_categories: tuple[str, ...] = Field(
        (), description="Columns whose text the model never saw; they counted as missing."
    )


class PredictionsAnswer(Answer):
    """The scored customers, in the order of the request; what was skipped is in ``errors``."""

    predictions: tuple[Prediction, ...]
    errors: tuple[Fault, ...] = ()


class RecordedPrediction(Prediction):
    """A prediction as the ledger keeps it."""

    made_at: datetime
    as_of: datetime | None = None
    request_id: str | None = None


class PredictionsPage(Answer):
    """Recorded predictions, the newest first."""

    predictions: tuple[RecordedPrediction, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")


class PredictionsQuery(Request):
    """Which recorded predictions."""

    customer_id: CustomerId | None = None
    model_version: Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")] | None = None
    from_: Moment | None = Field(None, alias="from", description="Made at this moment or later.")
    to: Moment | None = Field(None, description="Made before this moment.")
    cursor: str | None = Field(None, max_length=200, description="From the page before.")
    limit: int = Field(100, ge=1, le=1_000)
