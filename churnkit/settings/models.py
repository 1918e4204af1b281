"""[training], [serving], [retraining]: how models are made, shown and made anew."""

from __future__ import annotations

from pydantic import Field, model_validator

from churnkit.settings.kinds import Table

CANDIDATES = (
    "logistic_regression",
    "hist_gradient_boosting",
    "gradient_boosting",
    "random_forest",
)
"""In the order in which they are tried: the quickest first, for who has little time."""


class TrainingTable(Table):
    """How models are searched for."""

    budget_seconds: float = Field(120.0, gt=0)
    seed: int = Field(0, ge=0, le=2**32 - 1)
    test_share: float = Field(
        0.25, gt=0, lt=0.9, description="Share of customers kept for the test."
    )
    candidates: tuple[str, ...] = CANDIDATES


class ServingTable(Table):
    """How scores are shown."""

    medium_risk: float = Field(
        0.3, gt=0, lt=1, description="Probability from which risk is medium."
    )
    high_risk: float = Field(0.6, gt=0, lt=1, description="Probability from which risk is high.")

    @model_validator(mode="after")
    def _ordered(self) -> ServingTable:
        if self.medium_risk >= self.high_risk:
            raise ValueError("medium_risk must be below high_risk")
        return self

    def risk_band(self, probability: float) -> str:
        """``low``, ``medium`` or ``high``."""
        if probability >= self.high_risk:
            return "high"
        return "medium" if probability >= self.medium_risk else "low"


class RetrainingTable(Table):
    """When a new model is made by itself; 0 or false: that is no reason."""

    every_days: float = Field(30.0, ge=0, description="By the calendar.")
    new_labels: int = Field(0, ge=0, description="When so many labels have matured.")
    drift: bool = Field(True, description="When drift of more than a trifle is proven.")
    decay: bool = Field(True, description="When matured quality is worse than promised.")
    fewest_days: float = Field(1.0, ge=0, description="Never more often than this.")
    refresh_data: bool = Field(
        True, description="Read the source again first, where it is a table of customers."
    )
    rollout: bool = Field(True, description="Start a rollout in shadow, unless it is worse.")
    check_hours: float = Field(
        0.0, ge=0, description="How often the service looks whether one is due; 0: never."
    )
    step_minutes: float = Field(
        120.0, gt=0, description="After so long without a sign of life another process takes over."
    )
