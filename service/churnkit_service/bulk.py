"""Requests of many items, some of which may be wrong."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from churnkit.client.messages.problems import Fault
from churnkit_service.endpoint import Call, read_json
from churnkit_service.problems import RequestInvalid, fault_of, invalid

M = TypeVar("M", bound=BaseModel)
_NAME = re.compile(r"[^\x00]{1,64}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Items(Generic[M]):
    """A request whose right items are left; ``places`` are theirs in what was sent."""

    request: M
    places: Sequence[int]
    faults: tuple[Fault, ...]


def read_items(call: Call, model: type[M]) -> Items[M]:
    """A request with ``items`` and ``on_error``; with ``skip`` wrong items are left out.

    Raises
    ------
    RequestInvalid : each wrong field is named
    """
    data = read_json(call)
    try:
        request = model.model_validate(data)
    except ValidationError as error:
        faults = tuple(fault_of(found) for found in error.errors(include_url=False))
        bad = {fault.item for fault in faults}
        if None in bad or not isinstance(data, dict) or data.get("on_error") != "skip":
            raise invalid(error) from None
        places = [i for i in range(len(data["items"])) if i not in bad]
        if not places:
            raise invalid(error) from None
        rest = {**data, "items": [data["items"][i] for i in places]}
        return Items(model.model_validate(rest), places, faults)
    return Items(request, range(len(data["items"])), ())


def cursor_of(moment: datetime, name: str) -> str:
    """Where a page ended, as text."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()} {name}".encode()).decode()


def place_of(cursor: str) -> tuple[datetime, str]:
    """The moment and name of a cursor.

    Raises
    ------
    RequestInvalid : it is none of ours
    """
    try:
        text = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
        moment, _, name = text.partition(" ")
        at = datetime.fromisoformat(moment)
        if at.utcoffset() != timedelta(0) or not _NAME.fullmatch(name):
            raise ValueError
    except (binascii.Error, ValueError):
        fault = Fault(
            field="query.cursor", given=repr(cursor)[:60], expected="a cursor from the page before"
        )
        raise RequestInvalid("this is no cursor of ours.", faults=(fault,)) from None
    return at, name
