"""What a connection that stays open goes through: it is no request among others.

It has limits of its own, does not count as a request in flight, and is in no histogram of answers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from churnkit.errors import ChurnkitError
from churnkit_service.endpoint import Call, Endpoint
from churnkit_service.guard import finish, request_id_of
from churnkit_service.problems import Forbidden, InternalError, Overloaded, problem
from churnkit_service.service import ANYBODY, Service

log = logging.getLogger("churnkit.service")


def lasting(
    endpoint: Endpoint, service: Service
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler that aiohttp calls for an endpoint whose answer stays open."""
    settings, scope, route = service.settings, endpoint.scope, endpoint.path
    opened = service.metrics.connections.labels(route)

    async def answer(request: web.Request) -> web.StreamResponse:
        request_id = request_id_of(request)
        response: web.StreamResponse
        service.connections += 1
        opened.inc()
        try:
            if service.connections > settings.max_connections or service.draining:
                raise Overloaded(
                    "no more connections are taken.", fix="Connect again after a while."
                )
            refuse_foreign_page(request, settings.cors_origins)
            caller = ANYBODY if scope is None else await service.keys.caller(request)
            if scope is not None:
                caller.require(scope)
                service.rates.take(caller.key_id)
            response = await endpoint.handler(Call(request, service, caller, request_id, b""))
        except ChurnkitError as error:
            response = problem(error, request_id)
        except web.HTTPException:
            raise
        except Exception:  # the last line of defence: a mistake of ours
            log.exception("connection failed", extra={"request_id": request_id})
            response = problem(InternalError("the service made a mistake."), request_id)
        finally:
            service.connections -= 1
            opened.dec()
        if not response.prepared:
            finish(response, request_id)
            if service.draining:
                response.force_close()
        status = str(response.status)
        service.metrics.requests.labels(endpoint.method, route, status).inc()
        return response

    return answer


def refuse_foreign_page(request: web.Request, origins: tuple[str, ...]) -> None:
    """A page of another origin can open a WebSocket without asking first: its browser does not
    check, so the service does.

    Raises
    ------
    Forbidden : it is not among the origins that may call
    """
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or origin in origins or urlsplit(origin).netloc == request.host:
        return
    raise Forbidden(
        "pages of this origin may not call.", fix="Name it in service.cors_origins, if they may."
    )
