"""Experiments: what is asked for, and what is told of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from churnkit.client.messages.message import Answer, Request
from churnkit.client.messages.predictions import CustomerId
from churnkit.domain.experiments import ExperimentPlan

MOST_CUSTOMERS = 10_000
Why = Annotated[
    str, StringConstraints(min_length=1, max_length=1_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]
_PLAN: dict[str, Any] = {
    "kind": "treatments",
    "arms": [
        {"name": "control", "weight": 0.5},
        {"name": "call", "weight": 0.5, "offer": "a call", "cost": 2.0},
    ],
    "outcomes": ["retention", "time_to_churn"],
}


class ExperimentStart(Request):
    """What shall be compared, in what."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"plan": _PLAN, "why": "does a call help?"}]}
    )

    plan: ExperimentPlan = Field(description="Fixed from then on. The first arm is the control.")
    why: str = Field("", max_length=1_000, pattern=r"^[^\x00]*$", description="For the history.")


class ExperimentStop(Request):
    """Why nobody shall enter any more."""

    why: Why = Field(description="For the history.")


class ExperimentAssign(Request):
    """Customers who shall enter."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customers": ["c-1", "c-2"]}]})

    customers: Annotated[tuple[CustomerId, ...], Field(min_length=1, max_length=MOST_CUSTOMERS)]


class ExperimentSizesAsked(Request):
    """What an experiment shall find."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"retention": 0.75, "effect": 0.03, "correlation": 0.4, "power": 0.8}]
        }
    )

    plan: ExperimentPlan | None = Field(None, description="Null: two arms of equal weight.")
    effect: float | None = Field(
        None, ge=-0.999, le=0.999, description="Of the share who stay; null: the plan's smallest."
    )
    retention: float | None = Field(
        None, gt=0, lt=1, description="Share of the control who stay; null: as has matured."
    )
    power: float = Field(0.8, ge=0.01, le=0.999, description="Probability of finding it.")
    correlation: float | None = Field(
        None, ge=-0.99, le=0.99, description="Of churn score and outcome; null: as has matured."
    )
    customers_per_day: float | None = Field(
        None, ge=0.001, le=1e12, description="Who enter; null: as many as were scored lately."
    )
    simulations: int = Field(
        1_000, ge=1, le=2_000, description="Simulated experiments for each sequential size."
    )


class ExperimentSummary(Answer):
    """An experiment in a few fields."""

    experiment_id: str = Field(examples=["e1"])
    kind: Literal["models", "treatments"]
    condition: Literal["running", "stopped"]
    outcomes: tuple[Literal["retention", "revenue", "time_to_churn"], ...]
    weights: dict[str, float] = Field(description="Each arm's share of the customers.")
    versions: dict[str, str] = Field(description="In an experiment of models: arm to version.")
    days_to_mature: float
    started_at: datetime
    stopped_at: datetime | None = None


class ExperimentArmReading(Answer):
    """One arm's customers."""

    arm: str
    weight: float
    entered: int
    counted: int = Field(description="Whose outcome is known, of days that matured as a whole.")
    missing: int = Field(description="Whose outcome is not known, of such days.")
    crossed: int = Field(description="Who got the other model's answer, as their own failed.")
    retained: float | None = None
    revenue: float | None = None


class ExperimentPoint(Answer):
    """The difference as it was known after one more day of entries."""

    day: str
    n: int
    estimate: float
    lower: float
    upper: float


class ExperimentEffect(Answer):
    """How much better an arm does than the control; bounds hold at every look together."""

    arm: str
    against: str
    outcome: Literal["retention", "revenue"]
    n: int
    estimate: float | None
    lower: float | None
    upper: float | None
    alpha: float
    state: Literal["better", "worse", "open"]
    adjusted: bool = Field(description="With CUPED.")
    coefficient: float | None = None
    variance_saved: float | None = Field(None, description="The share that CUPED takes away.")
    path: tuple[ExperimentPoint, ...] = ()


class ExperimentHazard(Answer):
    """The ratio of the hazards of leaving; below 1: customers of the arm leave later."""

    arm: str
    against: str
    events: int
    events_arm: int
    ratio: float | None
    lower: float | None
    upper: float | None
    log_evidence: float
    alpha: float
    state: Literal["better", "worse", "open"]
    followed_until: datetime | None


class ExperimentRatio(Answer):
    """Whether the arms got their shares of the customers."""

    log_evidence: float
    log_evidence_counted: float
    alpha: float
    mismatch: bool


class Experiment(ExperimentSummary):
    """An experiment with what may be read off it now."""

    at: datetime
    arms: tuple[ExperimentArmReading, ...]
    ratio: ExperimentRatio
    effects: tuple[ExperimentEffect, ...]
    hazards: tuple[ExperimentHazard, ...]
    withheld: str = Field(description="Why nothing is read off; empty: the readings stand.")
    matured_until: str | None = None
    waiting_for: str = Field(description="The first day whose outcomes are due and incomplete.")
    notes: tuple[str, ...] = ()
    plan: dict[str, Any]


class ExperimentsAnswer(Answer):
    """All experiments, the oldest first."""

    experiments: tuple[ExperimentSummary, ...]


class ExperimentEvent(Answer):
    """Something that was done with an experiment."""

    experiment_id: str
    sequence: int
    at: datetime
    who: str
    action: Literal["start", "assign", "stop"]
    why: str
    document: dict[str, Any] = Field(description="What was planned, done or seen.")


class ExperimentHistoryAnswer(Answer):
    """What was done with an experiment, the oldest first."""

    experiment_id: str
    steps: tuple[ExperimentEvent, ...]


class ExperimentEntryAnswer(Answer):
    """Who is in which arm."""

    customer_id: str
    arm: str
    probability: float = Field(description="With which this arm was drawn.")
    entered_at: datetime


class ExperimentAssigned(Answer):
    """What became of customers who were to enter."""

    experiment_id: str
    n: int
    n_new: int
    counts: dict[str, int] = Field(description="Of the new ones, by arm.")
    n_known: int
    n_elsewhere: int = Field(description="In another experiment; not drawn.")
    n_held_out: int = Field(description="In a hold-out of all campaigns; not drawn.")
    n_erased: int
    n_scored: int
    entries: tuple[ExperimentEntryAnswer, ...]


class ExperimentSize(Answer):
    """How many customers a comparison takes."""

    method: Literal["fixed", "sequential"]
    adjusted: bool = Field(description="With CUPED.")
    arm: str
    customers: int | None = Field(description="In both arms; null: beyond reach.")
    control: int | None
    median: int | None
    days: float | None


class ExperimentSizes(Answer):
    """Sizes by one look at the end, and by looking at any time."""

    retention: float
    effect: float
    alpha: float
    power: float
    correlation: float
    correlation_from: str
    customers_per_day: float | None
    days_to_mature: float
    sizes: tuple[ExperimentSize, ...]
    simulated: int
