"""The base of all messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _written(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError("a moment is a text such as 2026-03-01T12:00:00Z")


def _in_range(moment: datetime) -> datetime:
    # Far ends of the calendar cannot be moved to UTC, and mean a mistake anyway.
    if not _FIRST <= moment < _LAST:
        raise ValueError("a moment lies between the years 1900 and 2200")
    return moment


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written, json_schema_input_type=datetime),
    AfterValidator(_in_range),
]
"""A moment with its zone, written as RFC 3339 has it."""


class Request(BaseModel):
    """What a client sends; unknown fields are refused, so that a typing error shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Answer(BaseModel):
    """What the service says; a client that is older than the service ignores new fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)
