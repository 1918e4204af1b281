"""What a backend tells of rollouts.

Both backends hold the same documents (``RolloutView.to_json`` and ``RolloutHistory.to_json``, which
the service sends as they are); ``of`` reads them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from churnkit_desktop.language import tr
from churnkit_desktop.words import whole

Document = Mapping[str, Any]


@dataclass(frozen=True)
class RolloutLine:
    """A rollout in a few fields."""

    rollout_id: str
    champion: str
    challenger: str
    attempt: int
    condition: str
    """running, paused, aborted or promoted."""
    stage: str
    share: float
    """Of customers whom the challenger answers, in [0, 1]."""
    revision: int
    created_at: datetime
    looked_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    """promoted or aborted; None: it has not ended."""

    @classmethod
    def of(cls, told: Document) -> RolloutLine:
        """From a summary."""
        return cls(
            rollout_id=told["rollout_id"],
            champion=told["champion"],
            challenger=told["challenger"],
            attempt=told["attempt"],
            condition=told["condition"],
            stage=told["stage"],
            share=told["share"],
            revision=told["revision"],
            created_at=_moment(told["created_at"]),
            looked_at=_maybe(told.get("looked_at")),
            ended_at=_maybe(told.get("ended_at")),
            outcome=told.get("outcome"),
        )


@dataclass(frozen=True)
class StageFacts:
    """A step of the ramp and its minima."""

    name: str
    share: float
    minimum_customers: int
    minimum_days: float
    minimum_pairs: int


@dataclass(frozen=True)
class GateFacts:
    """A gate or guardrail, and what it reads; gains are above 0 where the challenger is better."""

    role: str
    """gate or guardrail."""
    metric: str
    stream: str
    """live or history."""
    action: str
    """promote, abort or pause."""
    state: str
    """proven, breached or open."""
    tolerance: float
    n: int = 0
    mean: float | None = None
    lower: float | None = None
    upper: float | None = None
    alpha: float = 0.0
    guaranteed: bool = True
    labels_needed: int | None = None

    @classmethod
    def of(cls, told: Document) -> GateFacts:
        """From a reading of a decision; bounds that are not known yet are None."""
        known: dict[str, Any] = {
            name: told.get(name) for name in cls.__dataclass_fields__ if name in told
        }
        for name in ("mean", "lower", "upper"):
            known[name] = _finite(told.get(name))
        return cls(**known)


@dataclass(frozen=True)
class LookFacts:
    """What was known at one look: the readings, after so many matured pairs."""

    at: datetime
    pairs: int
    verdict: str
    changes: bool
    readings: tuple[GateFacts, ...]


@dataclass(frozen=True)
class StepFacts:
    """Something that was done with a rollout, by whom and why."""

    at: datetime
    who: str
    action: str
    stage: str
    share: float
    pairs: int
    why: str


@dataclass(frozen=True)
class ForecastFacts:
    """What is expected before the first prediction."""

    customers: int | None = None
    predictions_per_day: float | None = None
    reachable: int | None = None
    """Matured pairs within two years."""
    labels_needed: int | None = None
    first_at: datetime | None = None
    expected_at: datetime | None = None

    @classmethod
    def of(cls, told: Document) -> ForecastFacts:
        """From a rollout's forecast."""
        return cls(
            customers=told.get("customers"),
            predictions_per_day=told.get("predictions_per_day"),
            reachable=told.get("reachable"),
            labels_needed=told.get("labels_needed"),
            first_at=_maybe(told.get("first_at")),
            expected_at=_maybe(told.get("expected_at")),
        )


@dataclass(frozen=True)
class PlanFacts:
    """A plan as it would be started, with its forecast; also of a rollout that runs."""

    champion: str
    challenger: str
    attempt: int
    days_to_mature: float
    stages: tuple[StageFacts, ...]
    gates: tuple[GateFacts, ...]
    alpha_promote: float
    alpha_abort: float
    automatic_promotion: bool
    automatic_abort: bool
    outcomes: str
    """Whose outcomes count: everyone, holdout or propensity."""
    forecast: ForecastFacts

    @classmethod
    def of(cls, told: Document) -> PlanFacts:
        """From ``RolloutPreview.to_json`` or ``RolloutView.to_json``."""
        plan = told["plan"]
        rules = [("gate", "promote", rule) for rule in plan["gates"]]
        rules += [("guardrail", rule["action"], rule) for rule in plan["guardrails"]]
        return cls(
            champion=told["champion"],
            challenger=told["challenger"],
            attempt=told["attempt"],
            days_to_mature=told["days_to_mature"],
            stages=tuple(
                StageFacts(
                    stage["name"],
                    stage["share"],
                    stage["minimum_customers"],
                    stage["minimum_days"],
                    stage["minimum_pairs"],
                )
                for stage in plan["stages"]
            ),
            gates=tuple(
                GateFacts(role, rule["metric"], "live", action, "open", rule["tolerance"])
                for role, action, rule in rules
            ),
            alpha_promote=plan["alpha_promote"],
            alpha_abort=plan["alpha_abort"],
            automatic_promotion=plan["automatic_promotion"],
            automatic_abort=plan["automatic_abort"],
            outcomes=plan["outcomes"],
            forecast=ForecastFacts.of(told["forecast"]),
        )


@dataclass(frozen=True)
class RolloutFacts:
    """Where one rollout stands, what was seen and what was done."""

    line: RolloutLine
    plan: PlanFacts
    stage_since: datetime
    pairs: int
    """Matured pairs that are evidence."""
    waiting_for: str
    """The first day whose outcomes are due and incomplete; empty: none."""
    verdict: str
    """Of the latest look; empty: nobody has looked yet."""
    recommended: str
    reason: str
    labels_needed: int | None
    expected_at: datetime | None
    """When a verdict is expected; None: not known."""
    readings: tuple[GateFacts, ...]
    looks: tuple[LookFacts, ...]
    """The oldest first."""
    journal: tuple[StepFacts, ...]
    """Steps that changed something, the oldest first."""
    notes: tuple[str, ...] = field(default=())
    """What the numbers leave out, in sentences."""

    @classmethod
    def of(cls, told: Document, steps: Sequence[Document]) -> RolloutFacts:
        """From a rollout, and all of its steps and looks, the oldest first.

        Parameters
        ----------
        told : ``RolloutView.to_json()``
        steps : ``rollout_history(…, all_looks=True).to_json()["steps"]``
        """
        decision: Document = told.get("decision") or {}
        evidence: Document = told["evidence"]
        return cls(
            line=RolloutLine.of(told),
            plan=PlanFacts.of(told),
            stage_since=_moment(told["stage_since"]),
            pairs=evidence["pairs"],
            waiting_for=evidence.get("waiting_for") or "",
            verdict=decision.get("verdict", ""),
            recommended=decision.get("recommended", ""),
            reason=decision.get("reason", ""),
            labels_needed=decision.get("labels_needed"),
            expected_at=_maybe(decision.get("expected_at")),
            readings=_readings(decision),
            looks=tuple(_look(step) for step in steps if step.get("decision")),
            journal=tuple(
                StepFacts(
                    _moment(step["at"]),
                    step["who"],
                    step["action"],
                    step["stage"],
                    step["share"],
                    step["pairs"],
                    step["why"],
                )
                for step in steps
                if step["action"] != "wait"
            ),
            notes=_notes(evidence),
        )


def _look(step: Document) -> LookFacts:
    decision = step["decision"]
    return LookFacts(
        at=_moment(step["at"]),
        pairs=step["pairs"],
        verdict=decision["verdict"],
        changes=decision["changes"],
        readings=_readings(decision),
    )


def _readings(decision: Document) -> tuple[GateFacts, ...]:
    return tuple(GateFacts.of(reading) for reading in decision.get("readings", ()))


def _notes(evidence: Document) -> tuple[str, ...]:
    told = (
        ("repeated", tr("later predictions of the same customers do not count again")),
        ("without_weight", tr("outcomes are no evidence, because of a treatment")),
        ("late", tr("outcomes came after their day was looked at")),
        ("unpaired", tr("customers were scored by one model only")),
    )
    return tuple(f"{whole(evidence[key])} {what}." for key, what in told if evidence.get(key))


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _moment(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _maybe(value: str | datetime | None) -> datetime | None:
    return None if value is None else _moment(value)
