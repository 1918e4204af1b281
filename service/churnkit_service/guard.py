"""What every request goes through before and after its handler."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from churnkit.errors import ChurnkitError
from churnkit.settings.service import ServiceTable
from churnkit_service.endpoint import Call, Endpoint
from churnkit_service.problems import (
    BodyMalformed,
    BodyTooLarge,
    InternalError,
    Overloaded,
    RequestTimeout,
    problem,
)
from churnkit_service.service import ANYBODY, Service
from churnkit_service.tracing import traced

log = logging.getLogger("churnkit.service")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def guarded(
    endpoint: Endpoint, service: Service
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler that aiohttp calls for an endpoint."""
    settings = service.settings
    handler = traced(endpoint) if settings.tracing else endpoint.handler
    scope, bounded = endpoint.scope, endpoint.bounded
    takes_file = bool(endpoint.body_types)
    watch = service.watch(endpoint.method, endpoint.path)
    limit = settings.request_timeout_seconds

    async def answer(request: web.Request) -> web.StreamResponse:
        start = time.perf_counter()
        request_id = request_id_of(request)
        service.in_flight += 1
        try:
            if service.in_flight > settings.max_requests_in_flight:
                raise overloaded()
            caller = ANYBODY if scope is None else await service.keys.caller(request)
            if scope is not None:
                caller.require(scope)
                service.rates.take(caller.key_id)
            body = b"" if takes_file else await _body(request, settings)
            call = Call(request, service, caller, request_id, body)
            if bounded:
                response = await handler(call)
            else:
                async with asyncio.timeout(limit):
                    response = await handler(call)
        except TimeoutError:
            response = problem(
                Overloaded(f"no answer was found within {limit:g} s.", fix="Send it again."),
                request_id,
            )
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - the last line of defence
            response = failed(error, request_id)
        finally:
            service.in_flight -= 1
        if not response.prepared:
            finish(response, request_id)
        if service.draining or request.content.exception() is not None:
            # Behind a body that cannot be read no next request can be found.
            response.force_close()
        watch(response.status, time.perf_counter() - start, request_id)
        return response

    return answer


def failed(error: Exception, request_id: str) -> web.Response:
    """The answer to a request that failed; what is the service's own fault is logged."""
    if not isinstance(error, ChurnkitError):  # a mistake of ours
        log.error("request failed", exc_info=error, extra={"request_id": request_id})
        return problem(_internal(), request_id)
    response = problem(error, request_id)
    if response.status >= 500:
        log.warning("request failed", extra={"request_id": request_id, "error": error.to_json()})
    return response


def overloaded() -> Overloaded:
    """So many requests are being answered that no other one is begun."""
    return Overloaded("too many requests are being answered.", fix="Send it again after a while.")


def finish(response: web.StreamResponse, request_id: str) -> None:
    """Headers that every answer has."""
    headers = response.headers
    headers["X-Request-Id"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Server"] = "churnkit"


async def _body(request: web.Request, settings: ServiceTable) -> bytes:
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > settings.max_body_bytes:  # not waited for
        raise too_large()
    try:
        if request.content.is_eof():  # all of it came with the head
            body = request.content.read_nowait()
            if len(body) > settings.max_body_bytes:
                raise too_large()
            return body
        async with asyncio.timeout(settings.body_timeout_seconds):
            return await request.read()
    except TimeoutError:
        raise body_late(settings.body_timeout_seconds) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None
    except web.RequestPayloadError:
        raise broken_body() from None


def body_late(seconds: float) -> RequestTimeout:
    """The body takes longer than it may."""
    return RequestTimeout(f"the body did not arrive within {seconds:g} s.", fix="Send it faster.")


def broken_body() -> BodyMalformed:
    """The body cannot be read as its head describes it."""
    return BodyMalformed(
        "the body broke off, or is not encoded as its head says.", fix="Send it again."
    )


def too_large() -> BodyTooLarge:
    """The body has more bytes than allowed."""
    return BodyTooLarge("the body is too large.", fix="Send fewer items in one request.")


def _internal() -> InternalError:
    return InternalError(
        "the service made a mistake.", fix="Its log has the details under this request_id."
    )


def request_id_of(request: web.Request) -> str:
    """The id that the request brought, if it is a plain one, else a new one."""
    given = request.headers.get("X-Request-Id")
    return given if given is not None and is_request_id(given) else new_request_id()


def is_request_id(text: str) -> bool:
    """Whether it is a plain one: it goes into logs and into the ledger."""
    return _REQUEST_ID.fullmatch(text) is not None


def new_request_id() -> str:
    """One that no other request has."""
    return os.urandom(16).hex()
