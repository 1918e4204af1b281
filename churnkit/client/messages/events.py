"""Events as they are delivered, and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from churnkit.client.messages.message import Answer, Request
from churnkit.client.messages.predictions import CustomerId
from churnkit.client.messages.problems import Fault

MOST_EVENTS = 10_000
LONGEST_TEXT = 1_000

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Value = Text | Annotated[bool, Field(strict=True)] | int | float | None


class EventItem(Request):
    """Something that a customer did; values and categories of the log are further fields."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Value]

    customer_id: CustomerId
    event_time: Text = Field(
        description="When it happened; without a zone, on the wall clock of the project's zone.",
        examples=["2026-03-01T12:00:00Z"],
    )
    event_type: Text | None = Field(
        None, description="What it was; may be left out where the log knows one type."
    )
    known_at: Text | None = Field(None, description="When it became known; null: now.")
    key: Annotated[str, Field(max_length=200)] | None = Field(
        None,
        description="Tells a second delivery from another event; null: events that are equal in "
        "all fields are one.",
    )


class EventsRequest(Request):
    """Events to take in, 1 to 10,000 of them, in any order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "customer_id": "7590-VHVEG",
                            "event_time": "2026-03-01T12:00:00Z",
                            "event_type": "purchase",
                            "key": "order-1042",
                        }
                    ]
                }
            ]
        }
    )

    items: Annotated[list[EventItem], Field(min_length=1, max_length=MOST_EVENTS)]
    on_error: Literal["fail", "skip"] = Field(
        "fail", description="With an event that cannot be read: take in none, or the others."
    )


class EventsAnswer(Answer):
    """What became of the events; all of it is committed."""

    applied: int = Field(ge=0, description="New, and taken into the features.")
    duplicates: int = Field(ge=0, description="Known already.")
    too_late: int = Field(
        ge=0, description="Older than online.lateness_days: not taken in; see `late_items`."
    )
    late_items: tuple[int, ...] = Field((), description="Positions of these, from 0.")
    rejected: int = Field(ge=0, description="Could not be read; `errors` says why.")
    errors: tuple[Fault, ...] = ()
