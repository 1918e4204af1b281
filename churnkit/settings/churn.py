"""[churn]: what churn means."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from churnkit.settings.kinds import Days, Table, Words


class ChurnTable(Table):
    """What churn means, and of whom it is asked."""

    kind: Literal["contractual", "non_contractual"] = Field(
        "non_contractual",
        description="contractual: a subscription ends without renewal; else: no activity.",
    )
    activity: Words = Field((), description="Event types that are activity; empty: all.")
    lead_days: Days = Field(0, description="Days between as_of and the start of the window.")
    horizon_days: int = Field(90, ge=1, le=36_500, description="Length of the window in days.")
    grace_days: Days = Field(0, description="Days within which a renewal still counts.")
    eligible_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        None, description="Only customers active within so many days; not set: ever."
    )
    as_of: Words = Field(
        (), description="Dates of the panel, the last ones for the test; empty: by stride_days."
    )
    test_dates: int = Field(
        3, ge=1, le=100, description="Most dates for the test: they show how quality decays."
    )
    stride_days: int = Field(30, ge=1, le=3_650, description="Days between the panel's dates.")
    max_dates: int = Field(12, ge=2, le=1_000, description="Most dates of the panel.")
    history_days: Days = Field(90, description="Days of log that the first date looks back on.")

    @model_validator(mode="after")
    def _dates(self) -> ChurnTable:
        for text in self.as_of:
            try:
                datetime.fromisoformat(text)
            except ValueError:
                raise ValueError(f"'{text}' in as_of is no date such as 2026-01-31") from None
        return self
