"""Behind the door: aiohttp's protocol, whose own answers are problems like all others.

aiohttp itself answers what is no HTTP, what expects something that it does not know, and targets
that are no path. It waits for ever for a client that does not take its answer; here it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from churnkit_service.guard import failed, finish, new_request_id, too_large
from churnkit_service.problems import (
    ExpectationUnknown,
    HttpProblem,
    NotFound,
    RequestMalformed,
)
from churnkit_service.service import Service


class Behind(RequestHandler):
    """One connection.

    Parameters
    ----------
    ended : is told when the connection is lost
    """

    __slots__ = ("_ended", "_full_since", "_left", "_service")

    def __init__(
        self, service: Service, manager: web.Server, ended: Callable[[Behind], None]
    ) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=service.settings.idle_timeout_seconds,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's way to say: none
        )
        self._service = service
        self._ended = ended
        self._left, self._full_since = 0, 0.0

    def connection_lost(self, error: BaseException | None) -> None:
        """The client has gone."""
        self._ended(self)
        super().connection_lost(error)

    def look(self, now: float) -> None:
        """Let go of a client that takes nothing of its answer."""
        if self.transport is None:
            return
        left = self.transport.get_write_buffer_size()
        if not left or left != self._left:
            self._left, self._full_since = left, now
        elif now - self._full_since > self._service.settings.request_timeout_seconds:
            self.transport.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; one that aiohttp made itself becomes a problem first."""
        if not resp.prepared and "X-Request-Id" not in resp.headers:
            resp = self._told(request, resp)
        return await super().finish_response(request, resp, start_time)

    def _told(self, request: web.BaseRequest, answer: web.StreamResponse) -> web.Response:
        start = time.perf_counter()
        request_id = new_request_id()
        response = failed(_error(answer.status), request_id)
        finish(response, request_id)
        if not answer.keep_alive and answer.keep_alive is not None:
            response.force_close()
        # Neither the method nor the target was understood.
        watch = self._service.watch("other", "unmatched")
        watch(response.status, time.perf_counter() - start, request_id)
        return response


def _error(status: int) -> Exception:
    found: HttpProblem
    if status == 400:
        found = RequestMalformed("the request is not HTTP as RFC 9112 has it.", fix="Mend it.")
    elif status == 404:
        found = NotFound("there is nothing at this address.", fix="/docs lists all addresses.")
    elif status == 413:
        found = too_large()
    elif status == 417:
        found = ExpectationUnknown(
            "the only expectation that is known is 100-continue.", fix="Leave 'Expect' out."
        )
    else:
        return RuntimeError(f"aiohttp answered with status {status}")
    return found
