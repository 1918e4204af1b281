"""A prediction and its reasons."""

from __future__ import annotations

from datetime import datetime

from churnkit.domain.frozen import Frozen


class Reason(Frozen):
    """What one raw column adds to one prediction, in probability points (0.12 = 12 points)."""

    column: str
    value: str | float | bool | None
    points: float


class Explanation(Frozen):
    """Why a customer has this probability.

    ``probability == base_probability + sum(points of all reasons)`` to 1e-6, when ``reasons``
    holds all columns. ``base_probability`` is g(m₀), the model's output at its base margin;
    ``base_rate`` the churn rate of the training rows.
    """

    customer_id: str
    probability: float
    risk_band: str
    model_version: str
    base_probability: float
    base_rate: float
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...] = ()
    """For example categories that the model had not seen."""


class PredictionRow(Frozen):
    """A prediction as the ledger keeps it."""

    prediction_id: str
    customer_id: str
    model_version: str
    probability: float
    risk_band: str
    variant: str = "champion"
    made_at: datetime
    reasons: tuple[Reason, ...] = ()
