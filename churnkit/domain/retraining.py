"""A new model made by itself: its steps, each of which may be the last before a crash."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from churnkit.domain.frozen import Frozen

RetrainingStep = Literal["data", "train", "compare", "rollout", "done"]
"""In their order; the row names the one that comes next."""


class RetrainingRow(Frozen):
    """One retraining.

    Parameters
    ----------
    step : what comes next; ``done``: it has ended
    content : what the steps before found: reasons, champion, run, version, comparison, outcome
    claim : rises when another process takes it over; only the holder of the latest may write
    """

    retraining_id: str
    number: int
    started_at: datetime
    step: RetrainingStep
    content: dict[str, Any]
    claim: int
    seen_at: datetime
    ended_at: datetime | None = None
