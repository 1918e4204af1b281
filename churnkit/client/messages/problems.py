"""Errors as RFC 9457 has them."""

from __future__ import annotations

from pydantic import Field

from churnkit.client.messages.message import Answer


class Fault(Answer):
    """One thing that is wrong with a request."""

    item: int | None = Field(None, description="Position of the item in the request, from 0.")
    field: str = Field(description="The field, such as 'reasons' or 'features.tenure'.")
    given: str | None = Field(None, description="What was given; null: it is missing.")
    expected: str = Field(description="What would be right.")
    fix: str = Field("", description="What to do.")


class Problem(Answer):
    """Why a request was not answered."""

    type: str = Field(description="Names the kind of problem; it never changes.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field("", description="What was wrong this time.")
    fix: str = Field("", description="What to do about it.")
    request_id: str = Field("", description="Names this request in the service's logs.")
    errors: tuple[Fault, ...] = Field((), description="Each thing that is wrong.")
