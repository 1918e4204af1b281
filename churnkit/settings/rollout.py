"""[rollout]: how a rollout proceeds."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from churnkit.settings.kinds import Table, words


class RolloutTable(Table):
    """How a rollout proceeds where its plan says nothing else."""

    shares: Annotated[tuple[float, ...], BeforeValidator(words)] = Field(
        (0.01, 0.05, 0.25), description="Shares of customers after shadow, rising."
    )
    minimum_days: float = Field(1.0, ge=0, description="Least days in each stage.")
    minimum_customers: int = Field(
        1_000, ge=0, description="Customers in the last stage; the others need their part of it."
    )
    max_unproven_share: float = Field(
        0.25, gt=0, lt=1, description="The most customers that an unproven model may answer."
    )
    profit_tolerance: float = Field(
        0.0, ge=0, description="Loss per customer that promotion accepts; 0: it must be a gain."
    )
    alpha_promote: float = Field(
        0.05, gt=0, le=0.5, description="Probability of a wrong promotion, over all attempts."
    )
    alpha_abort: float = Field(
        0.05, gt=0, le=0.5, description="Probability of a wrong abort, over all attempts."
    )
    automatic_promotion: bool = Field(True, description="false: a person promotes.")
    automatic_abort: bool = Field(True, description="false: it pauses, and a person aborts.")
    outcomes: Literal["everyone", "holdout", "propensity"] = Field(
        "everyone", description="Whose outcomes count; everyone: only where nobody is treated."
    )
    accept_history: bool = Field(
        False, description="Count matured customers from after the training, too."
    )
    score_drift: Literal["pause", "show"] = Field(
        "pause", description="What proven drift of a model's scores does; seasons are drift, too."
    )
    look_seconds: float = Field(
        60.0, ge=0, description="How often the service looks; 0: only a person or cron does."
    )
    shadow_rows: int = Field(
        2_000, ge=1, description="Requests that wait for the silent model; more are not shadowed."
    )

    @model_validator(mode="after")
    def _rising(self) -> RolloutTable:
        if any(a >= b for a, b in itertools.pairwise((0.0, *self.shares))):
            raise ValueError("the shares of a rollout must rise, from above 0")
        if self.shares and self.shares[-1] > self.max_unproven_share:
            raise ValueError("the last of the shares is above max_unproven_share")
        return self
