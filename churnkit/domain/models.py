"""Model versions, who serves, and the journal's rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from churnkit.domain.evaluation import Estimate
from churnkit.domain.frozen import Frozen

Alias = Literal["champion", "challenger"]
Action = Literal[
    "promote", "challenge", "retire", "rollback",
    "start", "advance", "pause", "resume", "abort", "stop",
    "erase", "allow",
]  # fmt: skip
"""The second line are a rollout's or an experiment's, the third forgets a customer, or lets him
come back; they leave the alias with who has it."""


class ModelVersion(Frozen):
    """One admitted model.

    ``bundle_hash`` is the SHA-256 (hex) of the bundle's ``manifest.json``.
    """

    version: str
    """v1, v2, …"""
    run_id: str
    candidate: str
    created_at: datetime
    bundle_hash: str
    data_fingerprint: str
    metrics: dict[str, Estimate]


class JournalEntry(Frozen):
    """One change of an alias, or one step of a rollout, chained to the one before.

    ``hash`` is SHA-256 over ``previous_hash`` and the canonical JSON of all other fields;
    ``sequence`` counts from 1 without gaps.
    """

    sequence: int
    at: datetime
    who: str
    action: Action
    alias: Alias
    version: str | None
    """Who holds the alias from now on; None: nobody."""
    previous_version: str | None
    why: str
    evidence: dict[str, Any]
    previous_hash: str
    hash: str


class JournalHead(Frozen):
    """The end of the journal, signed with a key that is kept outside of the database.

    ``signature`` is HMAC-SHA256 (hex) over count and hash.
    """

    count: int
    hash: str
    at: datetime
    key_id: str
    signature: str


class Check(Frozen):
    """One thing that ``models verify`` looked at.

    ``state``: ``ok``, ``failed``, or ``unchecked`` (it could not be checked; detail says why).
    """

    subject: str
    state: Literal["ok", "failed", "unchecked"]
    detail: str
