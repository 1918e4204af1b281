"""Outcomes and treatments: what is handed over, what is answered, what is looked up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from churnkit.client.messages.message import Answer, Moment, Request
from churnkit.client.messages.predictions import MOST_ITEMS, CustomerId
from churnkit.client.messages.problems import Fault

Number = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]+$")]
OnError = Literal["fail", "skip"]
_ON_ERROR = "With an item that cannot be recorded: refuse all, or record the others."


class OutcomeItem(Request):
    """What became true of one customer.

    Either of the window that belongs to a prediction's ``as_of``, with ``churned``; or of a time
    that he was watched: ``churned_at``, or until when he had not left (``observed_to``).
    """

    customer_id: CustomerId
    as_of: Moment | None = Field(None, description="The date of the prediction.")
    churned: bool | None = Field(
        None, description="Whether the customer left; null with as_of: there is no label."
    )
    churned_at: Moment | None = Field(None, description="When the customer left.")
    observed_from: Moment | None = Field(None, description="Watched after this; null: since ever.")
    observed_to: Moment | None = Field(None, description="Watched until this.")
    value: Number | None = Field(None, description="What the customer is worth.")
    known_at: Moment | None = Field(None, description="When this became known; null: now.")

    @model_validator(mode="after")
    def _speaks_of_something(self) -> OutcomeItem:
        if self.as_of is not None:
            if self.observed_from is not None or self.observed_to is not None:
                raise ValueError("give either as_of, or the time that the customer was watched")
            if self.churned_at is not None and self.churned is not True:
                raise ValueError("churned_at without churned = true")
            return self
        if self.churned_at is None and self.observed_to is None:
            raise ValueError("give as_of with churned, or churned_at, or observed_to")
        if self.churned is not None and self.churned != (self.churned_at is not None):
            raise ValueError("churned says otherwise than churned_at")
        return self


class OutcomesRequest(Request):
    """Outcomes to record, 1 to 1,000 of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "customer_id": "7590-VHVEG",
                            "as_of": "2026-03-01T00:00:00Z",
                            "churned": True,
                        }
                    ]
                }
            ]
        }
    )

    items: Annotated[list[OutcomeItem], Field(min_length=1, max_length=MOST_ITEMS)]
    on_error: OnError = Field("fail", description=_ON_ERROR)


class TreatmentItem(Request):
    """An offer that a customer got, or was drawn not to get."""

    customer_id: CustomerId
    at: Moment = Field(description="When the offer was made, or was not.")
    treatment_id: Id | None = Field(
        None, description="Its name; null: made of customer, moment, offer and campaign."
    )
    offer: Name = ""
    campaign: Name = ""
    assignment_probability: float | None = Field(
        None, ge=0, le=1, description="Of being treated, as it was when the choice was drawn."
    )
    hold_out: bool = Field(False, description="Considered, and left untreated.")
    cost: Number | None = None


class TreatmentsRequest(Request):
    """Treatments to record, 1 to 1,000 of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "customer_id": "7590-VHVEG",
                            "at": "2026-03-02T09:00:00Z",
                            "offer": "10 % off",
                            "campaign": "spring",
                            "assignment_probability": 0.8,
                        }
                    ]
                }
            ]
        }
    )

    items: Annotated[list[TreatmentItem], Field(min_length=1, max_length=MOST_ITEMS)]
    on_error: OnError = Field("fail", description=_ON_ERROR)


class RecordedAnswer(Answer):
    """What became of the items; they are committed."""

    n_new: int = Field(description="Recorded; what was known already is not recorded twice.")
    n_known: int = Field(description="Known already.")
    n_corrected: int = Field(0, description="Of the new ones: they correct an earlier row.")
    n_suppressed: int = Field(0, description="Of erased customers; they were left out.")
    n_violations: int = Field(0, description="Treatments of members of a hold-out.")
    errors: tuple[Fault, ...] = Field((), description="What was not recorded, and why.")


class RecordedOutcome(Answer):
    """An outcome as the ledger keeps it."""

    outcome_id: str
    recorded_at: datetime
    customer_id: str
    churned: bool | None
    as_of: datetime | None = None
    churned_at: datetime | None = None
    observed_from: datetime | None = None
    observed_to: datetime | None = None
    value: float | None = None
    known_at: datetime | None = None
    source: str


class OutcomesPage(Answer):
    """Recorded outcomes, the last recorded first."""

    outcomes: tuple[RecordedOutcome, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")


class OutcomesQuery(Request):
    """Which recorded outcomes."""

    customer_id: CustomerId | None = None
    cursor: str | None = Field(None, max_length=500, description="From the page before.")
    limit: int = Field(100, ge=1, le=1_000)


class RecordedTreatment(Answer):
    """A treatment as the ledger keeps it."""

    treatment_id: str
    customer_id: str
    at: datetime
    offer: str
    campaign: str
    assignment_probability: float | None = None
    hold_out: bool
    cost: float | None = None
    source: str


class TreatmentsPage(Answer):
    """Recorded treatments, the latest first."""

    treatments: tuple[RecordedTreatment, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")


class TreatmentsQuery(Request):
    """Which recorded treatments."""

    customer_id: CustomerId | None = None
    campaign: Name | None = None
    cursor: str | None = Field(None, max_length=500, description="From the page before.")
    limit: int = Field(100, ge=1, le=1_000)
