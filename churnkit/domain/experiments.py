"""Experiments (A/B): what is planned, what the ledger keeps, and what is read off them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from churnkit.domain.frozen import Frozen

ExperimentKind = Literal["models", "treatments"]
ExperimentOutcome = Literal["retention", "revenue", "time_to_churn"]
ExperimentAction = Literal["start", "assign", "stop"]
ExperimentState = Literal["better", "worse", "open"]

Word = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[\w .%+-]+$")]
_TEXT = r"^[^\x00]*$"
MOST_ARMS = 10


class ExperimentArm(Frozen):
    """What some of the customers get: the answers of a model, or an offer."""

    name: Word
    weight: float = Field(ge=0.001, le=0.999)
    """Its share of the customers who enter; the arms' weights add up to 1."""
    model: str = Field("", max_length=64, pattern=_TEXT)
    """A version or alias, in an experiment of models."""
    offer: str = Field("", max_length=200, pattern=_TEXT)
    """In an experiment of treatments; empty: these customers are left alone."""
    cost: float = Field(0.0, ge=0, le=1e9)
    """What the arm costs for each customer in it; taken off his revenue."""


class ExperimentPlan(Frozen):
    """What is compared, in what, and how often the readings may be wrong; fixed at the start.

    All intervals that are read off an experiment cover their estimands at all times together with
    probability at least ``1 - alpha``; a sample-ratio mismatch is claimed wrongly, ever, with
    probability at most ``alpha_ratio``.
    """

    kind: ExperimentKind = "treatments"
    arms: tuple[ExperimentArm, ...] = Field(min_length=2, max_length=MOST_ARMS)
    """The first one is the control, with which the others are compared."""
    outcomes: tuple[ExperimentOutcome, ...] = Field(("retention",), min_length=1)
    revenue_cap: float | None = Field(None, ge=1e-6, le=1e12)
    """The most of one customer's revenue that counts."""
    adjust: bool = True
    """CUPED: take off what each customer's last churn score before he entered says."""
    alpha: float = Field(0.05, ge=1e-6, le=0.5)
    """Split evenly over comparisons and outcomes."""
    alpha_ratio: float = Field(0.01, ge=1e-6, le=0.5)
    smallest_effect: float = Field(0.02, ge=0.0005, le=0.5)
    """The gain in the share of customers who stay that matters; the bounds are narrowest there."""
    hazard_ratio: float = Field(0.8, ge=0.1, le=0.99)
    """The ratio of the hazards of leaving that the log-rank test finds soonest, or its inverse."""
    population: str = Field("", max_length=500, pattern=_TEXT)
    """Who may enter, in words."""

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentPlan:
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same name")
        if not math.isclose(math.fsum(arm.weight for arm in self.arms), 1.0, abs_tol=1e-9):
            raise ValueError("the weights of the arms must add up to 1")
        if len(set(self.outcomes)) < len(self.outcomes):
            raise ValueError("an outcome is named twice")
        if "revenue" in self.outcomes and self.revenue_cap is None:
            raise ValueError("revenue needs revenue_cap, the most of one customer that counts")
        for arm in self.arms:
            if self.kind == "models" and (not arm.model or arm.offer):
                raise ValueError(f"arm '{arm.name}' must name a model, and no offer")
            if self.kind == "treatments" and arm.model:
                raise ValueError(f"arm '{arm.name}' names a model in an experiment of treatments")
        if self.kind == "models" and len(self.arms) != 2:
            raise ValueError("an experiment of models has two arms: the champion and another one")
        return self

    @property
    def control(self) -> ExperimentArm:
        """The arm that the others are compared with."""
        return self.arms[0]

    @property
    def weights(self) -> tuple[tuple[str, float], ...]:
        """Each arm with its share."""
        return tuple((arm.name, arm.weight) for arm in self.arms)

    @property
    def alpha_each(self) -> float:
        """The error probability of one interval: of one comparison in one outcome."""
        return self.alpha / ((len(self.arms) - 1) * len(self.outcomes))

    def arm(self, name: str) -> ExperimentArm:
        """One of the arms."""
        return next(arm for arm in self.arms if arm.name == name)


class ExperimentRow(Frozen):
    """An experiment as the ledger keeps it."""

    experiment_id: str
    """e1, e2, …"""
    number: int
    kind: ExperimentKind
    plan: dict[str, Any]
    salt: str
    versions: dict[str, str]
    """In an experiment of models: arm → version."""
    champion: str = ""
    """In an experiment of models: the version that was the champion at its start."""
    days_to_mature: float
    started_at: datetime
    stopped_at: datetime | None = None
    """From then on nobody enters; those who are in it are still followed."""

    @property
    def planned(self) -> ExperimentPlan:
        """The plan."""
        return ExperimentPlan.model_validate(self.plan)


class ExperimentEntry(Frozen):
    """A customer's entry into an experiment; it never changes."""

    experiment_id: str
    customer_id: str
    arm: str
    """The one that was drawn: by it he is counted, whatever he got."""
    given: str
    """The arm whose model or offer he got first."""
    probability: float
    """With which his arm was drawn."""
    entered_at: datetime
    moment: datetime
    """From which he is followed: of his prediction, or when he entered."""
    score: float | None
    """His last churn score from before he entered."""


class ExperimentStep(Frozen):
    """Something that was done with an experiment."""

    experiment_id: str
    sequence: int
    at: datetime
    who: str
    action: ExperimentAction
    why: str
    document: dict[str, Any]
    """What was seen or done, as figures of many customers."""


class ArmReading(Frozen):
    """One arm's customers."""

    arm: str
    weight: float
    entered: int
    counted: int
    """Whose outcome is known, of days that have matured as a whole."""
    missing: int
    """Whose outcome is not known, of such days."""
    crossed: int
    """Who got another arm's model, because their own could not answer."""
    retained: float | None = None
    """Share of the counted ones who stayed; None while the reading is withheld."""
    revenue: float | None = None
    """Capped revenue per counted customer, before the arm's cost."""


class EffectPoint(Frozen):
    """The difference as it was known after one more day of entries."""

    day: str
    """The last day of entry that counts, ISO."""
    n: int
    estimate: float
    lower: float
    upper: float


class EffectReading(Frozen):
    """How much better an arm does than the control; bounds hold at every look together."""

    arm: str
    against: str
    outcome: Literal["retention", "revenue"]
    n: int
    estimate: float | None
    """Per customer: in shares of 1, or in money after the arms' costs."""
    lower: float | None
    upper: float | None
    alpha: float
    state: ExperimentState
    """Whether the interval lies above 0, below it, or around it."""
    adjusted: bool
    coefficient: float | None = None
    """CUPED's, as it is now: change of the outcome per point of churn score."""
    variance_saved: float | None = None
    """Share of the variance that CUPED takes away; measured on these customers."""
    path: tuple[EffectPoint, ...] = ()


class HazardReading(Frozen):
    """The ratio of the hazards of leaving; bounds hold at every look together."""

    arm: str
    against: str
    events: int
    events_arm: int
    ratio: float | None
    """Below 1: customers of the arm leave later. The most likely value."""
    lower: float | None
    upper: float | None
    """None: not bounded."""
    log_evidence: float
    """Log of the e-value against equal hazards; it refutes them from log(1/alpha) on."""
    alpha: float
    state: ExperimentState
    followed_until: datetime | None
    """Leavings until then are all known."""


class RatioReading(Frozen):
    """Whether the arms got their shares of the customers."""

    log_evidence: float
    """Of those who entered; a mismatch from log(2/alpha) on."""
    log_evidence_counted: float
    """Of those whose outcome counts: outcomes that are missing more often in one arm."""
    alpha: float
    mismatch: bool


class ExperimentStatus(Frozen):
    """Where an experiment stands, and what may be read off it now."""

    experiment: ExperimentRow
    at: datetime
    condition: Literal["running", "stopped"]
    arms: tuple[ArmReading, ...]
    ratio: RatioReading
    effects: tuple[EffectReading, ...] = ()
    hazards: tuple[HazardReading, ...] = ()
    withheld: str = ""
    """Why nothing is read off; empty: the readings stand."""
    matured_until: str | None = None
    """The last day of entry, ISO, whose outcomes count."""
    waiting_for: str = ""
    """The first day that is due and lacks outcomes, in words."""
    notes: tuple[str, ...] = ()


class SampleSize(Frozen):
    """How many customers a comparison takes."""

    method: Literal["fixed", "sequential"]
    """fixed: one look, at the planned end; sequential: a look at any time."""
    adjusted: bool
    """With CUPED."""
    arm: str
    customers: int | None
    """In both arms together, until the effect is found with the asked power; None: more than
    ``reach`` customers."""
    control: int | None
    """Of them in the control."""
    median: int | None
    """Half of such experiments are decided by then; for fixed the same as ``customers``."""
    days: float | None
    """Until then, at the given traffic, outcomes included; None: not known."""


class SamplePlan(Frozen):
    """Sizes of an experiment before it begins, by the fixed-sample and the sequential method."""

    retention: float
    """Of the control."""
    effect: float
    alpha: float
    """Two-sided, of one comparison."""
    power: float
    correlation: float
    """Between the churn score and the outcome."""
    correlation_from: str
    """Where it is from, in words."""
    customers_per_day: float | None
    days_to_mature: float
    sizes: tuple[SampleSize, ...]
    simulated: int
    """Experiments that were simulated for each sequential size."""
