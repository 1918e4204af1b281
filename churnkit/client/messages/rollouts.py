"""Rollouts: what is asked for, and what is told of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from churnkit.client.messages.message import Answer, Request
from churnkit.client.messages.predictions import CustomerId

Arm = Literal["champion", "challenger"]
Version = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00]+$")]
Why = Annotated[
    str, StringConstraints(min_length=1, max_length=1_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]
MOST_OVERRIDES = 10_000


class RolloutStart(Request):
    """A challenger that shall prove itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"challenger": "v2", "why": "trained on a year more"}]}
    )

    challenger: Version | None = Field(
        None, description="A version or alias; null: the challenger."
    )
    plan: dict[str, Any] = Field(
        default_factory=dict,
        description="What differs from the project's settings: stages, gates, guardrails, …",
        json_schema_extra={"additionalProperties": True},
    )
    overrides: Annotated[dict[CustomerId, Arm], Field(max_length=MOST_OVERRIDES)] = Field(
        default_factory=dict, description="Customers whose arm is not drawn."
    )
    customers: int | None = Field(
        None, ge=1, le=10**12, description="Size of the base, for the forecast; null: as lately."
    )
    predictions_per_day: float | None = Field(
        None, gt=0, le=1e12, description="For the forecast; null: as lately."
    )
    attempt: int | None = Field(
        None, ge=1, le=10_000, description="The attempt that is meant; null: the next one."
    )
    why: str = Field("", max_length=1_000, pattern=r"^[^\x00]*$", description="For the journal.")


class RolloutPreviewAsked(Request):
    """A rollout that somebody thinks of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customers": 100_000}]})

    challenger: Version | None = Field(
        None, description="A version or alias; null: the challenger."
    )
    plan: dict[str, Any] = Field(
        default_factory=dict,
        description="What differs from the project's settings.",
        json_schema_extra={"additionalProperties": True},
    )
    customers: int | None = Field(None, ge=1, le=10**12, description="Null: as lately.")
    predictions_per_day: float | None = Field(None, gt=0, le=1e12, description="Null: as lately.")


class RolloutMove(Request):
    """What a person decides, and why."""

    why: Why = Field(description="For the journal.")
    expected_revision: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Refuse if the rollout moved on since this revision."
    )


class RolloutSummary(Answer):
    """A rollout in a few fields."""

    rollout_id: str = Field(examples=["r1"])
    champion: str = Field(examples=["v1"])
    challenger: str = Field(examples=["v2"])
    attempt: int = Field(description="Of this challenger.")
    condition: Literal["running", "paused", "aborted", "promoted"]
    stage: str = Field(examples=["shadow"])
    share: float = Field(description="The share of customers whom the challenger answers.")
    revision: int = Field(description="Grows with every step.")
    created_at: datetime
    looked_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: Literal["promoted", "aborted"] | None = None


class RolloutReading(Answer):
    """A gate or guardrail with bounds that hold at every look together.

    Gains are above 0 where the challenger is better; a bound that is not known yet is null.
    """

    role: Literal["gate", "guardrail"]
    metric: str
    stream: Literal["live", "history"]
    action: Literal["promote", "abort", "pause"]
    state: Literal["proven", "breached", "open"]
    n: int
    mean: float | None
    lower: float | None
    upper: float | None
    alpha: float
    tolerance: float
    guaranteed: bool = True
    labels_needed: int | None = None


class RolloutSignal(Answer):
    """Something seen without labels; it may pause a rollout, no more."""

    name: str = Field(examples=["score drift of v2"])
    alarm: bool
    detail: str


class RolloutDecision(Answer):
    """What was decided at the latest look, and on what it rests."""

    verdict: Literal["wait", "pause", "advance", "promote", "abort"]
    recommended: Literal["wait", "pause", "advance", "promote", "abort"]
    changes: bool
    reason: str
    at: datetime
    stage: str
    share: float
    next_share: float
    readings: tuple[RolloutReading, ...]
    signals: tuple[RolloutSignal, ...] = ()
    alarms: tuple[str, ...] = Field(
        (), description="What pauses it, or would if nobody had gone on in spite of it."
    )
    labels_needed: int | None = None
    expected_at: datetime | None = None


class RolloutEvidence(Answer):
    """How many matured pairs there are, and which predictions are none."""

    pairs: int
    repeated: int = Field(description="Later predictions of the same customers.")
    without_weight: int = Field(description="Whose outcome is no evidence: treated, or not drawn.")
    late: int = Field(description="Outcomes that came after their day was looked at.")
    unpaired: int = Field(description="Customers whom only one model scored.")
    history_pairs: int
    outcomes_until: datetime | None = None
    waiting_for: str = Field(description="The first day whose outcomes are due and incomplete.")


class RolloutForecast(Answer):
    """What was expected when it was started."""

    customers: int | None = None
    predictions_per_day: float | None = None
    reachable: int | None = Field(None, description="Matured pairs within two years.")
    labels_needed: int | None = None
    first_at: datetime | None = None
    expected_at: datetime | None = None


class RolloutPreview(Answer):
    """The plan that a rollout would have, and what could be expected of it."""

    champion: str
    challenger: str
    attempt: int = Field(description="Of this challenger.")
    days_to_mature: float
    plan: dict[str, Any]
    forecast: RolloutForecast


class Rollout(RolloutSummary):
    """A rollout, its evidence, and the latest decision."""

    stage_since: datetime
    days_to_mature: float
    salt: str
    evidence: RolloutEvidence
    decision: RolloutDecision | None = Field(description="Null: nobody has looked yet.")
    forecast: RolloutForecast
    plan: dict[str, Any]


class RolloutsAnswer(Answer):
    """All rollouts, the oldest first."""

    rollouts: tuple[RolloutSummary, ...]


class RolloutLook(Answer):
    """A look at a rollout, and whether it changed something."""

    acted: bool
    beaten: bool = Field(description="Another process looked at the same moment.")
    rollout: Rollout


class RolloutEvent(Answer):
    """Something that was done with a rollout, or seen (``wait``)."""

    sequence: int
    at: datetime
    who: str
    action: Literal["start", "wait", "advance", "pause", "resume", "promote", "abort"]
    stage: str
    share: float
    pairs: int
    why: str
    decision: RolloutDecision | None = None


class RolloutHistoryAnswer(Answer):
    """What was done with a rollout, the oldest first."""

    rollout_id: str
    steps: tuple[RolloutEvent, ...]


class RolloutEvidenceAnswer(RolloutEvidence):
    """What is known, and how it came to be known: each look that saw more."""

    rollout_id: str
    looks: tuple[RolloutEvent, ...]
