"""The base of all messages."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """What a client sends; unknown fields are refused, so that a typing error shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Answer(BaseModel):
    """What the service says; a client that is older than the service ignores new fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)
