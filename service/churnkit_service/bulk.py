"""Requests of many items, some of which may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from churnkit.client.messages.problems import Fault
from churnkit_service.endpoint import Call, read_json
from churnkit_service.problems import fault_of, invalid

M = TypeVar("M", bound=BaseModel)


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
