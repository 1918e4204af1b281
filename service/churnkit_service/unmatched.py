"""Requests that no endpoint takes: problem documents like all others, and CORS preflights."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.typedefs import Handler

from churnkit_service.cors import is_preflight, preflight
from churnkit_service.guard import finish, request_id_of, too_large
from churnkit_service.problems import HttpProblem, MethodNotAllowed, NotFound, problem
from churnkit_service.service import SERVICE

ROUTE = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@web.middleware
async def unmatched(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what aiohttp refuses by itself."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        start = time.perf_counter()
        service = request.app[SERVICE]
        request_id = request_id_of(request)
        response: web.Response
        if isinstance(error, web.HTTPMethodNotAllowed) and is_preflight(request):
            response = preflight(request, service.settings.cors_origins, error.allowed_methods)
        else:
            response = problem(_refusal(error), request_id)
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        finish(response, request_id)
        # Anybody can invent methods: they must not become labels.
        method = request.method if request.method in _METHODS else "other"
        watch = service.watch(method, ROUTE)
        watch(request, response.status, time.perf_counter() - start, request_id)
        return response


def _refusal(error: web.HTTPException) -> HttpProblem:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(
            "this address does not know this method.", fix="/docs lists all addresses."
        )
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return too_large()
    return NotFound("there is nothing at this address.", fix="/docs lists all addresses.")
