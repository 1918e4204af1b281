"""Web pages of other origins may call only where the settings name them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import hdrs, web

_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-Id"
_EXPOSED = "X-Request-Id, Retry-After, Idempotent-Replayed"
_SECONDS = "600"


def is_preflight(request: web.Request) -> bool:
    """Whether a browser asks if a page may call."""
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def preflight(request: web.Request, origins: Iterable[str], methods: Iterable[str]) -> web.Response:
    """The answer to such a question; without the headers, the browser takes it for a no.

    Parameters
    ----------
    origins : which pages may call
    methods : that the address knows
    """
    origin = request.headers[hdrs.ORIGIN]
    if origin not in origins:
        return web.Response(status=204, headers={hdrs.VARY: hdrs.ORIGIN})
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: ", ".join(sorted(methods)),
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: _SECONDS,
            hdrs.VARY: hdrs.ORIGIN,
        },
    )


def allow_origins(
    origins: Iterable[str],
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Marks the answers that a named page may read."""
    known = frozenset(origins)

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        response.headers[hdrs.VARY] = hdrs.ORIGIN
        origin = request.headers.get(hdrs.ORIGIN)
        if origin in known:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED

    return mark
