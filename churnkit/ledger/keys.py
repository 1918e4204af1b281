"""The API keys' table."""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa

from churnkit.domain.keys import ApiKey
from churnkit.ledger.tables import api_keys
from churnkit.ledger.transactions import reading, writing


def add_key(engine: sa.Engine, key: ApiKey) -> None:
    """Keep a new key."""
    with writing(engine) as connection:
        values = {**key.model_dump(), "scopes": json.dumps(key.scopes)}
        connection.execute(sa.insert(api_keys), values)


def read_keys(engine: sa.Engine) -> tuple[ApiKey, ...]:
    """All keys, the oldest first; revoked ones, too."""
    with reading(engine) as connection:
        query = sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
        rows = connection.execute(query).mappings().all()
    return tuple(ApiKey(**{**row, "scopes": json.loads(row["scopes"])}) for row in rows)


def revoke_key(engine: sa.Engine, key_id: str, now: datetime) -> bool:
    """Let a key open nothing any more; False when there is no such key, or it was revoked."""
    with writing(engine) as connection:
        done = connection.execute(
            sa.update(api_keys)
            .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
    return done.rowcount == 1
