"""A request to the service as plain data, and what its answer is; no input or output here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, NoReturn, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from churnkit.client.messages.problems import Problem
from churnkit.errors import ServiceRefused, ServiceUnreachable

M = TypeVar("M", bound=BaseModel)
RETRIED = frozenset({408, 425, 429, 502, 503, 504})
_IN_FLIGHT = "/problems/request-in-flight"


@dataclass(frozen=True)
class Call(Generic[M]):
    """One request; sent again, it does its work once.

    Parameters
    ----------
    path : with its parameters filled in
    answer : the message that comes back
    body : the message to send, or None
    idempotency_key : of a request that changes something; the same for each attempt
    """

    method: str
    path: str
    answer: type[M]
    query: Mapping[str, str] = field(default_factory=dict)
    body: BaseModel | None = None
    idempotency_key: str = ""

    def target(self) -> str:
        """The path with its query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def content(self) -> bytes | None:
        """The body's bytes."""
        if self.body is None:
            return None
        return self.body.model_dump_json(exclude_unset=True).encode()

    def headers(self, key: str) -> dict[str, str]:
        """The headers, with the API key."""
        headers = {"Accept": "application/json, application/problem+json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.idempotency_key:
            headers["Idempotency-Key"] = self.idempotency_key
        return headers

    def read(self, status: int, content: bytes) -> M:
        """The answer as a message.

        Raises
        ------
        ServiceRefused : it is a problem
        ServiceUnreachable : it is nothing of this service
        """
        if status >= 300:
            refuse(status, content)
        try:
            return self.answer.model_validate_json(content if status != 204 else b"{}")
        except ValidationError as error:
            raise ServiceUnreachable(
                "the answer is not what this client knows.",
                fix="Is the address churnkit's, and is the client as new as the service?",
                path=self.path,
            ) from error


def new_key() -> str:
    """A key for one request that changes something."""
    return uuid.uuid4().hex


def is_passing(status: int, content: bytes) -> bool:
    """Whether the same request may succeed a little later."""
    if status in RETRIED:
        return True
    return status == 409 and _problem(content).type == _IN_FLIGHT


def _problem(content: bytes) -> Problem:
    try:
        return Problem.model_validate_json(content)
    except ValidationError:
        return Problem(type="about:blank", title="", status=0)


def refuse(status: int, content: bytes) -> NoReturn:
    """Raise what a problem says.

    Raises
    ------
    ServiceRefused : always
    """
    found = _problem(content)
    faults = json.dumps([fault.model_dump() for fault in found.errors]) if found.errors else None
    raise ServiceRefused(
        found.detail or f"the service answered with status {status}.",
        fix=found.fix,
        type=found.type,
        status=status,
        request_id=found.request_id or None,
        errors=faults,
    )
