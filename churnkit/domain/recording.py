"""Predictions on their way into the ledger, by column: a request's rows share most values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class IdempotentAnswer:
    """What a request with an Idempotency-Key was answered, kept with what it did.

    ``owner`` is the API key that sent it; ``request_hash`` the SHA-256 (hex) of its body.
    """

    owner: str
    key: str
    request_hash: str
    status: int
    answer: bytes
    created_at: datetime


@dataclass(slots=True)  # not frozen: that would triple what making one costs
class PredictionColumns:
    """The predictions of one request by one model; all lists have one entry per prediction.

    ``reasons`` and ``unknown_categories`` are JSON texts; the latter is None where there are
    none.
    """

    prediction_ids: list[str]
    customer_ids: list[str]
    probabilities: list[float]
    risk_bands: list[str]
    reasons: list[str]
    unknown_categories: list[str | None]
    model_version: str
    variant: str
    made_at: datetime
    as_of: datetime | None = None
    request_id: str | None = None
    rollout_id: str | None = None
    shadow_of: list[str] | None = None

    def __len__(self) -> int:
        return len(self.prediction_ids)

    def without(self, customers: Collection[str]) -> PredictionColumns:
        """The predictions of all other customers."""
        kept = [i for i, name in enumerate(self.customer_ids) if name not in customers]
        shadow_of = self.shadow_of
        return replace(
            self,
            prediction_ids=[self.prediction_ids[i] for i in kept],
            customer_ids=[self.customer_ids[i] for i in kept],
            probabilities=[self.probabilities[i] for i in kept],
            risk_bands=[self.risk_bands[i] for i in kept],
            reasons=[self.reasons[i] for i in kept],
            unknown_categories=[self.unknown_categories[i] for i in kept],
            shadow_of=None if shadow_of is None else [shadow_of[i] for i in kept],
        )
