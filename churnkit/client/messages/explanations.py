"""Why a customer has a probability, and what it would be if something were different."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from churnkit.client.messages.message import Answer, Moment, Request
from churnkit.client.messages.predictions import (
    COLUMN_VALUES,
    MOST_REASONS,
    CustomerId,
    PredictionItem,
    PredictionReason,
)

MOST_EXPLAINED = 100

ExplainedVersion = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]+$"),
    Field(examples=["champion"]),
]


class ExplanationItem(PredictionItem):
    """One customer to explain, as for a prediction; and what might be different."""

    customer_id: CustomerId
    changes: dict[str, Any] | None = Field(
        None,
        description="What if: columns that have another value. The answer compares both.",
        json_schema_extra={"anyOf": COLUMN_VALUES},
    )


class ExplanationRequest(Request):
    """Customers to explain, 1 to 100 of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "customer_id": "7590-VHVEG",
                            "features": {"tenure": 1, "Contract": "Month-to-month"},
                            "changes": {"Contract": "Two year"},
                        }
                    ],
                    "k": 5,
                }
            ]
        }
    )

    items: Annotated[list[ExplanationItem], Field(min_length=1, max_length=MOST_EXPLAINED)]
    k: int = Field(
        5, ge=1, le=MOST_REASONS, strict=True, description="Reasons for each, the strongest first."
    )
    model_version: ExplainedVersion | None = Field(
        None,
        description="Another version or alias than the champion; it must be ready, see "
        "POST /v1/models/{version}/load.",
    )
    as_of: Moment | None = Field(None, description="The moment to look from; null: now.")


class ExplainedScore(Answer):
    """A probability and the reasons that lead to it from the base probability."""

    probability: float = Field(ge=0, le=1)
    risk_band: Literal["low", "medium", "high"]
    margin: float = Field(description="What the model adds up, before its calibration.")
    reasons: tuple[PredictionReason, ...]
    other_points: float = Field(description="What all other columns add.")
    unknown_categories: tuple[str, ...] = Field(
        (), description="Columns whose text the model never saw; they counted as missing."
    )


class ColumnEffect(Answer):
    """What a changed column did."""

    column: str
    before: str | float | bool | None
    after: str | float | bool | None
    points_before: float
    points_after: float


class WhatIf(Answer):
    """The same customer with the changes."""

    changed: ExplainedScore
    difference: float = Field(description="Changed minus original probability.")
    columns: tuple[ColumnEffect, ...] = Field(description="Of each changed column.")


class CustomerExplanation(ExplainedScore):
    """Why a customer has this probability."""

    customer_id: str
    what_if: WhatIf | None = None


class ExplanationsAnswer(Answer):
    """Explanations in the order of the request."""

    explanations: tuple[CustomerExplanation, ...]
    model_version: str
    base_probability: float = Field(description="Where the reasons start from.")
    base_margin: float
    base_rate: float = Field(description="Share of customers who left, in the training rows.")
    note: str = Field(description="How the points are made.")


class RecordedExplanation(Answer):
    """The reasons that were recorded with a prediction."""

    prediction_id: str
    customer_id: str
    made_at: datetime
    as_of: datetime | None
    model_version: str
    variant: str
    probability: float = Field(ge=0, le=1)
    risk_band: Literal["low", "medium", "high"]
    base_probability: float = Field(description="Where the model's reasons start from.")
    reasons: tuple[PredictionReason, ...] = Field(
        description="As many as the prediction asked for; empty: it asked for none."
    )
    other_points: float = Field(description="What all other columns add.")
    unknown_categories: tuple[str, ...]
    note: str = Field(description="How the points are made.")
