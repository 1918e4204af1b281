"""Who may do what: API keys with scopes, checked without asking the database each time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from churnkit.domain.keys import ApiKey, Scope, split_token
from churnkit.errors import StorageError
from churnkit_service.problems import Forbidden, Unauthorized

_REFRESH_UNKNOWN_SECONDS = 0.5
_MOST_VERIFIED = 10_000
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    key_id: str
    scopes: frozenset[Scope]

    @property
    def name(self) -> str:
        """Who acts, as a history and the journal say it."""
        return f"API key {self.key_id}"

    def require(self, scope: Scope) -> None:
        """Let pass who has the scope.

        Raises
        ------
        Forbidden : he has not
        """
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(
                f"this API key has not the scope '{scope}'.",
                fix=f"Create one with 'churnkit keys create --scope {scope}'.",
            )


DEVELOPER = Caller("development", frozenset({"admin"}))


class KeyRing:
    """All API keys of the ledger, read again from time to time.

    Parameters
    ----------
    read : reads all keys from the ledger
    max_age_seconds : how old the copy may be: so long a revoked key may still work
    development : on this machine no key is needed
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[tuple[ApiKey, ...]]],
        *,
        max_age_seconds: float,
        development: bool,
    ) -> None:
        self._read = read
        self._max_age = max_age_seconds
        self._development = development
        self._keys: dict[str, tuple[ApiKey, Caller]] = {}
        self._verified: dict[bytes, Caller] = {}
        """By a header's hash, who was found to have sent it since the keys were read."""
        self.generation = 0
        """Rises when the keys are read: what was found out with the ones before holds no more."""
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def caller(self, request: web.Request) -> Caller:
        """Who sent this request.

        Raises
        ------
        Unauthorized : no key, or not a valid one
        StorageUnreachable : the keys were never read, and cannot be read now
        """
        header = request.headers.get("Authorization")
        if header is not None:
            return self.known(header) or await self.bearer(header)
        if self._development and _from_this_machine(request):
            return DEVELOPER
        raise Unauthorized(
            "the request has no API key.",
            fix="Send it as 'Authorization: Bearer KEY'; 'churnkit keys create' makes one.",
        )

    @property
    def fresh(self) -> bool:
        """Whether the copy is young enough."""
        return time.monotonic() - self._read_at <= self._max_age

    def known(self, header: str) -> Caller | None:
        """Who was found to send this header since the keys were read."""
        if not self.fresh:
            return None
        return self._verified.get(hashlib.sha256(header.encode()).digest())

    async def bearer(self, header: str) -> Caller:
        """Who sends this header.

        Raises
        ------
        Unauthorized : nobody whom we know
        StorageUnreachable : the keys were never read, and cannot be read now
        """
        age = time.monotonic() - self._read_at
        if age > self._max_age:
            await self._refresh(self._max_age)
        scheme, _, token = header.partition(" ")
        parts = split_token(token.strip()) if scheme.lower() == "bearer" else None
        if parts is None:
            raise _refused()
        key_id, secret = parts
        found = self._keys.get(key_id)
        if found is None and age > _REFRESH_UNKNOWN_SECONDS:  # made a moment ago?
            await self._refresh(_REFRESH_UNKNOWN_SECONDS)
            found = self._keys.get(key_id)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        # The comparison is made for unknown keys, too: time tells nothing.
        same = hmac.compare_digest(digest, found[0].secret_hash if found else "0" * 64)
        if found is None or not same or not found[0].valid_at(datetime.now(UTC)):
            raise _refused()
        if found[0].expires_at is None and len(self._verified) < _MOST_VERIFIED:
            self._verified[hashlib.sha256(header.encode()).digest()] = found[1]
        return found[1]

    async def _refresh(self, max_age: float) -> None:
        async with self._lock:
            if time.monotonic() - self._read_at <= max_age:  # another request did it
                return
            try:
                keys = await self._read()
            except StorageError:
                if self._read_at == float("-inf"):
                    raise
                # The database is away: the keys that we know are good for this long again.
            else:
                self._verified = {}
                self.generation += 1
                self._keys = {
                    key.key_id: (key, Caller(key.key_id, frozenset(key.scopes))) for key in keys
                }
            self._read_at = time.monotonic()


def _refused() -> Unauthorized:
    return Unauthorized(
        "this API key is not valid.",
        fix="Was it revoked, or did it expire? 'churnkit keys list' shows the keys.",
    )


def _from_this_machine(request: web.Request) -> bool:
    """Asked from this machine by its own name: neither through a proxy nor from a web page that
    gave this address a name of its own."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    host = request.headers.get("Host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    try:
        return name in _LOOPBACK_NAMES and ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
