"""``/openapi.json``, ``/docs`` and ``/problems``: the contract, for programs and people."""

from __future__ import annotations

import orjson
from aiohttp import web

from churnkit.client.messages.message import Answer
from churnkit_service.docs_page import docs_page
from churnkit_service.endpoint import Call, Endpoint
from churnkit_service.problems import NotFound, all_kinds, type_of

# The page needs nothing but itself: no script, no font, no picture from anywhere.
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class Document(Answer):
    """An OpenAPI document."""

    openapi: str
    info: dict[str, object]
    paths: dict[str, object]


async def contract(call: Call) -> web.Response:
    """The OpenAPI document."""
    return web.Response(
        body=orjson.dumps(call.service.contract), headers={"Content-Type": "application/json"}
    )


async def docs(call: Call) -> web.Response:
    """The same as a page to read."""
    return web.Response(body=docs_page(call.service.contract), headers=_HEADERS)


async def problem_kind(call: Call) -> web.Response:
    """Where a problem's ``type`` leads."""
    kind = call.request.match_info["kind"]
    if f"/problems/{kind}" not in {type_of(known) for known in all_kinds()}:
        raise NotFound("there is no such kind of problem.", fix="/docs lists all of them.")
    return web.Response(status=303, headers={"Location": f"/docs#problem-{kind}"})


ENDPOINTS = (
    Endpoint(
        "GET", "/openapi.json", contract, "This contract", "documentation", None,
        answers={200: (Document, "OpenAPI 3.1.")},
    ),
    Endpoint(
        "GET", "/docs", docs, "This contract as a page", "documentation", None,
        answers={200: (None, "A page that needs no other.")}, content_type="text/html",
    ),
    Endpoint(
        "GET", "/problems/{kind}", problem_kind, "What a problem's type means", "documentation",
        None, answers={303: (None, "To its place in the page.")}, problems=(NotFound,),
        content_type="text/html",
    ),
)  # fmt: skip
