"""A prediction and its reasons."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

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
    """A prediction as the ledger keeps it.

    ``as_of`` is the moment it looks from, where that is not ``made_at``. Several predictions of
    one request share its ``request_id``. While a rollout runs, the model that does not answer
    scores too: ``shadow_of`` is then the id of the prediction that answered.
    """

    prediction_id: str
    customer_id: str
    model_version: str
    probability: float
    risk_band: str
    variant: str = "champion"
    made_at: datetime
    reasons: tuple[Reason, ...] = ()
    as_of: datetime | None = None
    request_id: str | None = None
    rollout_id: str | None = None
    shadow_of: str | None = None
    unknown_categories: tuple[str, ...] = ()
    """Columns whose category the model had not seen; they counted as missing."""


class FieldFault(Frozen):
    """A value of one row that the model cannot read."""

    field: str
    given: str | None
    """What was given, as text and cut short; None: the field is missing."""
    expected: str
    fix: str = ""


def prediction_ids(at: datetime) -> Iterator[str]:
    """Endless new ids of predictions made at a moment, 32 hexadecimal digits, rising.

    They are UUIDs of version 7 (RFC 9562): milliseconds, a counter of 26 bits, 48 random bits.
    What is inserted together lies together in the database's index; random ids would touch a
    page of their own each, and a large ledger would slow down.
    """
    milliseconds = int(at.timestamp() * 1000) & ((1 << 48) - 1)
    count = 0
    while True:
        high, low = divmod(count & ((1 << 26) - 1), 1 << 14)
        noise = int.from_bytes(os.urandom(6))
        number = milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 48 | noise
        yield UUID(int=number).hex
        count += 1
