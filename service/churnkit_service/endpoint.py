"""An address of the service, described once: served, guarded and documented from this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from churnkit.domain.keys import Scope
from churnkit.errors import ChurnkitError
from churnkit.project import Project
from churnkit_service.auth import Caller
from churnkit_service.problems import BodyMalformed, MediaTypeUnsupported, invalid
from churnkit_service.service import Service

M = TypeVar("M", bound=BaseModel)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Call:
    """One request on its way: who sent it, and what answers it."""

    request: web.Request
    service: Service
    caller: Caller
    request_id: str
    body: bytes

    async def ask(
        self, usecase: Callable[Concatenate[Project, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a use case of the service's project, which may ask the database.

        Raises
        ------
        PoolExhausted, StorageUnreachable : see ``Queries.run``
        """
        service = self.service
        return await service.queries.run(usecase, service.project, *args, **kwargs)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Endpoint:
    """One method of one path.

    Parameters
    ----------
    scope : what an API key needs; None: everybody may
    body, query : what is read, as pydantic models
    answers : by status, the model of the body (None: no JSON) and what it means
    body_types : types of a file that the handler itself takes in, instead of ``body``
    answer_types : types of a file that is answered, where it is not ``content_type``
    problems : kinds of problems that this address has besides those of every address
    bounded : all that the handler waits for has limits of its own
    lasting : the answer stays open (a WebSocket, a feed); see ``lasting.py``
    messages : what goes over an open connection
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    scope: Scope | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body_types: tuple[str, ...] = ()
    answer_types: tuple[str, ...] = ()
    answers: Mapping[int, tuple[type[BaseModel] | None, str]] = field(default_factory=dict)
    problems: tuple[type[ChurnkitError], ...] = ()
    idempotent_key: bool = False
    bounded: bool = False
    lasting: bool = False
    messages: tuple[type[BaseModel], ...] = ()
    content_type: str = "application/json"
    description: str = ""


def json_response(content: Any, *, status: int = 200, **headers: str) -> web.Response:
    """An answer in JSON."""
    return json_bytes(orjson.dumps(content), status=status, **headers)


def json_bytes(body: bytes, *, status: int = 200, **headers: str) -> web.Response:
    """An answer whose JSON was written already."""
    return web.Response(
        status=status,
        body=body,
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **headers},
    )


def told(model: type[BaseModel], plain: object) -> web.Response:
    """An answer in JSON, checked against what was promised."""
    return json_response(model.model_validate(plain).model_dump(mode="json"))


def read_json(call: Call) -> Any:
    """The body as plain data.

    Raises
    ------
    MediaTypeUnsupported : it is not said to be JSON
    BodyMalformed : it is not JSON, or nested too deeply
    """
    # Asking for the type keeps web pages out that send forms across origins.
    # Most clients send exactly this; others are parsed.
    given = call.request.headers.get("Content-Type")
    if given != "application/json" and call.request.content_type != "application/json":
        raise MediaTypeUnsupported(
            "the body's type is not application/json.", fix="Send 'Content-Type: application/json'."
        )
    return parse_json(call.body)


def parse_json(body: bytes) -> Any:
    """A body that is said to be JSON as plain data.

    Raises
    ------
    BodyMalformed : it is not JSON, or nested too deeply
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyMalformed(f"the body is not JSON: {error}.", fix="Mend the JSON text.") from None


def read_body(call: Call, model: type[M]) -> M:
    """The body as a message.

    Raises
    ------
    MediaTypeUnsupported, BodyMalformed : see ``read_json``
    RequestInvalid : each wrong field is named
    """
    try:
        return model.model_validate(read_json(call))
    except ValidationError as error:
        raise invalid(error) from None


def read_query(call: Call, model: type[M]) -> M:
    """The query string as a message.

    Raises
    ------
    RequestInvalid : each wrong parameter is named
    """
    try:
        return model.model_validate(dict(call.request.query))
    except ValidationError as error:
        raise invalid(error, prefix=("query",)) from None
