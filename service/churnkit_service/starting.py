"""What is started once: a request that is sent again under its key starts nothing further.

What was started is committed by the use case; its answer under the key comes after. Between the two
the process may die, so the key also decides the assignment's salt, and a start with the salt of
something that is there gives that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import orjson
from aiohttp import web

from churnkit.client.messages.message import Answer
from churnkit_service.endpoint import Call, json_bytes
from churnkit_service.idempotency import KeyedRequest, answer_once


class Started(Protocol):
    """What a use case gives back of what it started."""

    def to_json(self) -> dict[str, object]:
        """As plain data."""


View = TypeVar("View", bound=Started)


async def start_once(
    call: Call,
    start: Callable[[str | None], Awaitable[View]],
    *,
    kind: str,
    answer: type[Answer],
    address: Callable[[View], str],
) -> web.Response:
    """Start something, or answer as when it was started.

    Parameters
    ----------
    start : called with the assignment's salt; None: a new one
    kind : keeps the salts of one kind of thing apart from another's
    address : where what was started can be read
    """

    async def begin(request: KeyedRequest | None) -> web.Response:
        view = await start(None if request is None else _salt(call, kind, request.claim.key))
        call.service.rollouts.look_now()
        body = orjson.dumps(answer.model_validate(view.to_json()).model_dump(mode="json"))
        if request is not None:
            await call.service.writer.submit((), request.keep(201, body, datetime.now(UTC)))
        return json_bytes(body, status=201, Location=address(view))

    return await answer_once(call, begin)


def _salt(call: Call, kind: str, key: str) -> str:
    text = f"{kind}\n{call.caller.key_id}\n{key}".encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()
