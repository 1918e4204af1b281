"""Files that are handed out piece by piece, however large they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

from aiohttp import web

from churnkit.errors import ChurnkitError
from churnkit_service.endpoint import Call
from churnkit_service.guard import finish

log = logging.getLogger("churnkit.service")


async def stream(
    call: Call, open_file: Callable[[], Iterator[bytes]], *, content_type: str, name: str
) -> web.StreamResponse:
    """Answer with a file.

    Parameters
    ----------
    open_file : gives its pieces; both block, and ask the database
    name : what a browser saves it as

    Raises
    ------
    ChurnkitError : there is no such file; once it has begun, the connection is cut instead, so
        that nobody takes a part for the whole
    """
    queries = call.service.queries
    pieces = await queries.run(open_file)
    piece = await queries.run(_next, pieces)
    response = web.StreamResponse(
        headers={
            "Content-Type": content_type,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
    )
    finish(response, call.request_id)
    if call.service.draining:
        response.force_close()
    await response.prepare(call.request)
    if call.request.method == "HEAD":
        return response
    try:
        while piece is not None:
            # A reader who takes nothing is not waited for.
            async with asyncio.timeout(call.service.settings.request_timeout_seconds):
                await response.write(piece)
            piece = await queries.run(_next, pieces)
        await response.write_eof()
    except (ChurnkitError, TimeoutError) as error:
        told = error.to_json() if isinstance(error, ChurnkitError) else "the reader is too slow"
        log.warning("download cut", extra={"request_id": call.request_id, "error": told})
        if call.request.transport is not None:
            call.request.transport.abort()
    return response


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)
