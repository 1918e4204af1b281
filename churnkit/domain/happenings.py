"""What happens while consoles look on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from churnkit.domain.frozen import Frozen


class Happening(Frozen):
    """One thing that happened, such as a job's progress or an alert.

    ``sequence`` rises in the order of the commits.
    """

    sequence: int
    at: datetime
    kind: str
    document: dict[str, Any]


class ScoredOne(Frozen):
    """A prediction as a console shows it."""

    prediction_id: str
    customer_id: str
    model_version: str
    variant: str
    probability: float
    risk_band: str
    made_at: datetime


class ScoredMany(Frozen):
    """Predictions of one model, variant and band, counted."""

    model_version: str
    variant: str
    risk_band: str
    n: int
    mean_probability: float
