"""What a rollout knows so far: grows look by look, resumes from JSON, names no customer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from churnkit.domain.frozen import Frozen
from churnkit.rollout.evidence import StreamState
from churnkit.rollout.mixture import MeanState
from churnkit.rollout.quantile import QuantileState
from churnkit.rollout.ratio import RatioEvidence


class Exposed(Frozen):
    """Customers whom both models scored in a stage."""

    begin: datetime
    """When the stage began."""
    until: datetime
    """They were counted up to here."""
    n: int


class Gathered(Frozen):
    """The evidence of one attempt, and up to where the ledger was read for it."""

    live: StreamState = StreamState()
    history: StreamState | None = None
    errors: MeanState | None = None
    latency: QuantileState | None = None
    ratio: RatioEvidence = RatioEvidence()
    scores: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Arm → the state of the test for drift of its scores."""
    fresh_from: datetime | None = None
    """The outcomes of predictions that look from before may have been learnt from."""
    outcomes_until: datetime | None = None
    """Predictions that look from before were taken in with their outcomes, day by day."""
    outcomes_tried: datetime | None = None
    """When it was last tried to take further days in."""
    history_until: datetime | None = None
    requests_until: datetime | None = None
    """Requests up to here were counted for the error rate and the ratio of the arms."""
    earliest: datetime | None = None
    """Of the requests that were counted, the first moment that one looks from."""
    exposed: Exposed | None = None
    windows_until: datetime | None = None
    unpaired: int = 0
    """Customers whom only one model scored: the other had too much to do."""
    waiting_for: str = ""
    """The first day whose outcomes are due, and not complete."""
