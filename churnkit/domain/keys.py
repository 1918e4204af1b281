"""API keys of the service, and what they allow."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from typing import Literal, get_args

from churnkit.domain.frozen import Frozen

Scope = Literal["score", "read", "operate", "admin"]
"""score: ask for predictions, send events and outcomes; read: look; operate: change who serves,
run jobs; admin: all of it."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
_TOKEN = re.compile(r"ck_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


class ApiKey(Frozen):
    """A key as the ledger keeps it: its secret is not there, only the secret's SHA-256 (hex).

    A secret has 256 random bits, so that no slow hash is needed against guessing.
    """

    key_id: str
    name: str
    secret_hash: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Whether it opens anything at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_key(
    name: str, scopes: tuple[Scope, ...], *, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key, and the token that is shown once and kept nowhere."""
    key_id = secrets.token_hex(6)
    secret = secrets.token_urlsafe(32)
    key = ApiKey(
        key_id=key_id,
        name=name,
        secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
        scopes=scopes,
        created_at=now,
        expires_at=expires_at,
    )
    return key, f"ck_{key_id}_{secret}"


def split_token(token: str) -> tuple[str, str] | None:
    """A token's key id and secret, or None where it is no token."""
    match = _TOKEN.fullmatch(token)
    return None if match is None else (match[1], match[2])
