"""Idempotency-Key: a request that is sent twice does its work once and is answered the same.

The answer is committed together with what it did, so that neither is there without the other,
whatever dies in between. Two processes that work on one key at once cannot both commit it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from churnkit.domain.recording import IdempotentAnswer
from churnkit.usecases import online as usecases
from churnkit_service.endpoint import Call
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that carries a key; it is the only one of this process that works on it."""

    call: Call
    key: str
    request_hash: str

    def keep(self, status: int, body: bytes, now: datetime) -> IdempotentAnswer:
        """The answer, to be committed with what it did."""
        owner = self.call.caller.key_id
        return IdempotentAnswer(owner, self.key, self.request_hash, status, body, now)

    async def replay(self) -> web.Response | None:
        """The answer that was given before, if there is one.

        Raises
        ------
        IdempotencyKeyReused : it was given to another request
        """
        service = self.call.service
        known = await service.queries.run(
            usecases.find_answer, service.project, self.call.caller.key_id, self.key
        )
        if known is None:
            return None
        if known.request_hash != self.request_hash:
            raise IdempotencyKeyReused(
                "this Idempotency-Key was used for another request.",
                fix="Use a new key for a new request.",
            )
        return web.Response(
            status=known.status,
            body=known.answer,
            headers={"Content-Type": "application/json", "Idempotent-Replayed": "true"},
        )


@asynccontextmanager
async def claimed_key(call: Call) -> AsyncIterator[str | None]:
    """Claims the request's key in this process while the block runs; None without a key.

    Raises
    ------
    RequestInvalid : the key has other characters than allowed, or too many
    RequestInFlight : another request with this key is being answered
    """
    key = call.request.headers.get(HEADER)
    if key is None:
        yield None
        return
    if not _KEY.fullmatch(key):
        raise RequestInvalid(
            f"{HEADER} needs 1 to 255 visible ASCII characters.", fix="A UUID is a good key."
        )
    claim = (call.caller.key_id, key)
    in_flight = call.service.keys_in_flight
    if claim in in_flight:
        raise RequestInFlight(
            "a request with this Idempotency-Key is being answered.",
            fix="Wait, then send it again to have its answer.",
        )
    in_flight.add(claim)
    try:
        yield key
    finally:
        in_flight.discard(claim)


@asynccontextmanager
async def keyed(call: Call) -> AsyncIterator[KeyedRequest | None]:
    """Claims the request's key in this process while the block runs; None without a key.

    Raises
    ------
    RequestInvalid : the key has other characters than allowed, or too many
    RequestInFlight : another request with this key is being answered
    """
    async with claimed_key(call) as key:
        if key is None:
            yield None
        else:
            what = f"{call.request.method} {call.request.path}\n".encode() + call.body
            yield KeyedRequest(call, key, hashlib.sha256(what).hexdigest())
