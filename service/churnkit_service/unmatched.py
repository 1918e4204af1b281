"""Requests that no endpoint takes: problem documents like all others, and CORS preflights.

A last route instead of a middleware: requests that an endpoint takes do not pay for it.
"""

from __future__ import annotations

import time

from aiohttp import web

from churnkit_service.cors import is_preflight, preflight
from churnkit_service.guard import finish, request_id_of
from churnkit_service.problems import HttpProblem, MethodNotAllowed, NotFound, problem
from churnkit_service.service import SERVICE

PATH = "/{path:.*}"
_ROUTE = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def unmatched(request: web.Request) -> web.StreamResponse:
    """Say that there is nothing, or not by this method."""
    start = time.perf_counter()
    service = request.app[SERVICE]
    request_id = request_id_of(request)
    methods = await _methods(request)
    response: web.Response
    if methods and is_preflight(request):
        response = preflight(request, service.settings.cors_origins, methods)
    elif methods:
        response = problem(_not_allowed(), request_id)
        response.headers["Allow"] = ", ".join(sorted(methods))
    else:
        response = problem(_nothing(), request_id)
    finish(response, request_id)
    # Anybody can invent methods: they must not become labels.
    method = request.method if request.method in _METHODS else "other"
    watch = service.watch(method, _ROUTE)
    watch(response.status, time.perf_counter() - start, request_id)
    return response


async def _methods(request: web.Request) -> set[str]:
    """What the endpoints at this path know."""
    found: set[str] = set()
    for resource in request.app.router.resources():
        if resource.canonical != "/{path}":
            found |= (await resource.resolve(request))[1]
    return found


def _not_allowed() -> HttpProblem:
    return MethodNotAllowed(
        "this address does not know this method.", fix="/docs lists all addresses."
    )


def _nothing() -> HttpProblem:
    return NotFound("there is nothing at this address.", fix="/docs lists all addresses.")
