"""Rollouts as the ledger keeps them; what the documents mean is the rollout room's matter."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from churnkit.domain.frozen import Frozen

RolloutAction = Literal["start", "wait", "advance", "pause", "resume", "promote", "abort"]


class RolloutRow(Frozen):
    """One attempt to let a challenger take over.

    ``revision`` grows with every step, ``looks`` with every look: who changes a rollout names what
    he saw.
    """

    rollout_id: str
    """r1, r2, …"""
    number: int
    champion: str
    challenger: str
    attempt: int
    """Of this challenger; each further one has a smaller error budget."""
    plan: dict[str, Any]
    salt: str
    days_to_mature: float
    position: dict[str, Any]
    evidence: dict[str, Any]
    """What is known so far, to go on from; names no customer."""
    forecast: dict[str, Any]
    """What was expected when it was started."""
    decision: dict[str, Any]
    """The latest one, with what it saw; empty: nobody has looked yet."""
    revision: int = 1
    looks: int = 0
    created_at: datetime
    looked_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    """``promoted`` or ``aborted``; None while it runs."""


class RolloutStep(Frozen):
    """Something that was done with a rollout, or seen (``wait``), and where it stands since."""

    rollout_id: str
    sequence: int
    at: datetime
    who: str
    action: RolloutAction
    stage: str
    share: float
    """The challenger's share of customers from then on."""
    pairs: int
    """Matured pairs that were evidence."""
    why: str
    decision: dict[str, Any]


class RolloutFailure(Frozen):
    """A model that could not score a request which the other one answered."""

    prediction_id: str
    """The prediction that answered."""
    rollout_id: str
    variant: str
    at: datetime
    why: str
    """The kind of error."""


class RolloutWindow(Frozen):
    """How one model did in one process during a minute."""

    rollout_id: str
    process: str
    variant: str
    at: datetime
    """When the minute began."""
    requests: int
    failures: int
    shed: int
    """Requests that the silent model was not given, because it had too much to do."""
    latency_ms: float
    """The 95th percentile of the time that the model took for a request."""
