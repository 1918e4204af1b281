"""Idempotency-Key: a request that is sent twice does its work once and is answered the same.

The answer is committed together with what it did, so that neither is there without the other,
whatever dies in between. Two processes that work on one key at once cannot both commit it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from churnkit.domain.recording import IdempotentAnswer
from churnkit.errors import ChurnkitError
from churnkit.usecases.operating import online as usecases
from churnkit_service.endpoint import Call
from churnkit_service.problems import (
    IdempotencyKeyReused,
    RequestInFlight,
    RequestInvalid,
    status_of,
)
from churnkit_service.service import Service

HEADER = "Idempotency-Key"
_CONFLICT = 409
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that this process works on, alone."""

    service: Service
    owner: str
    key: str
    request_hash: str

    def keep(self, status: int, body: bytes, now: datetime) -> IdempotentAnswer:
        """The answer, to be committed with what it did."""
        return IdempotentAnswer(self.owner, self.key, self.request_hash, status, body, now)

    async def find(self) -> IdempotentAnswer | None:
        """The answer that was given before, if there is one.

        Raises
        ------
        IdempotencyKeyReused : it was given to another request
        """
        service = self.service
        known = await service.queries.run(
            usecases.find_answer, service.project, self.owner, self.key
        )
        if known is not None and known.request_hash != self.request_hash:
            raise IdempotencyKeyReused(
                "this Idempotency-Key was used for another request.",
                fix="Use a new key for a new request.",
            )
        return known


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request that carries a key; it is the only one of this process that works on it."""

    claim: Claim

    def keep(self, status: int, body: bytes, now: datetime) -> IdempotentAnswer:
        """The answer, to be committed with what it did."""
        return self.claim.keep(status, body, now)

    async def replay(self) -> web.Response | None:
        """The answer that was given before, if there is one.

        Raises
        ------
        IdempotencyKeyReused : it was given to another request
        """
        known = await self.claim.find()
        if known is None:
            return None
        return web.Response(
            status=known.status,
            body=known.answer,
            headers={"Content-Type": "application/json", "Idempotent-Replayed": "true"},
        )


@contextmanager
def in_flight(service: Service, owner: str, key: str) -> Iterator[None]:
    """Claims a key in this process while the block runs.

    Raises
    ------
    RequestInFlight : another request with this key is being answered
    """
    claim, working = (owner, key), service.keys_in_flight
    if claim in working:
        raise RequestInFlight(
            "a request with this Idempotency-Key is being answered.",
            fix="Wait, then send it again to have its answer.",
        )
    working.add(claim)
    try:
        yield
    finally:
        working.discard(claim)


@contextmanager
def claimed(service: Service, owner: str, key: str, what: bytes) -> Iterator[Claim]:
    """Claims a key for a request that is no HTTP request.

    Parameters
    ----------
    owner : whose key it is
    what : stands for the request: the same key belongs to the same bytes

    Raises
    ------
    RequestInFlight : another request with this key is being answered
    """
    with in_flight(service, owner, key):
        yield Claim(service, owner, key, hashlib.sha256(what).hexdigest())


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
    with in_flight(call.service, call.caller.key_id, key):
        yield key


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
            yield KeyedRequest(
                Claim(call.service, call.caller.key_id, key, hashlib.sha256(what).hexdigest())
            )


class AnsweredMeanwhile(Exception):
    """Another process answered the same request a moment earlier: its answer counts."""


async def answer_once(
    call: Call, work: Callable[[KeyedRequest | None], Awaitable[web.Response]]
) -> web.Response:
    """Answer a request; under a key that was answered before, the same again.

    Parameters
    ----------
    work : called with the request's key, if it has one; it may raise ``AnsweredMeanwhile`` where
        its answer could not be kept
    """
    if HEADER not in call.request.headers:
        return await work(None)
    async with keyed(call) as request:
        assert request is not None
        replayed = await request.replay()
        if replayed is not None:
            return replayed
        try:
            return await work(request)
        except (AnsweredMeanwhile, ChurnkitError) as error:
            # What another process did under this key may be why it is refused here.
            if isinstance(error, ChurnkitError) and status_of(error) != _CONFLICT:
                raise
            replayed = await request.replay()
            if replayed is None:
                raise
            return replayed
