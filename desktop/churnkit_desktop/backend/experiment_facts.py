"""What a backend tells of experiments (A/B).

Both backends hold the same documents (``ExperimentView.to_json`` and so on); ``of`` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class ExperimentLine:
    """An experiment in a few fields."""

    experiment_id: str
    kind: str
    """models or treatments."""
    condition: str
    """running or stopped."""
    weights: Mapping[str, float]
    started_at: datetime
    stopped_at: datetime | None

    @classmethod
    def of(cls, told: Document) -> ExperimentLine:
        """From a summary."""
        stopped = told.get("stopped_at")
        return cls(
            experiment_id=told["experiment_id"],
            kind=told["kind"],
            condition=told["condition"],
            weights=dict(told["weights"]),
            started_at=_moment(told["started_at"]),
            stopped_at=None if stopped is None else _moment(stopped),
        )


@dataclass(frozen=True)
class ArmFacts:
    """One arm: what its customers get, and how many there are."""

    name: str
    weight: float
    gets: str
    """The model's version or the offer; empty: nothing."""
    cost: float
    entered: int
    counted: int
    missing: int
    retained: float | None
    """Share of the counted ones who stayed, in [0, 1]; None: withheld or unknown."""
    revenue: float | None


@dataclass(frozen=True)
class EffectFacts:
    """How much better an arm does than the control; for ``time_to_churn`` a ratio of hazards.

    Bounds hold at every look together. ``path``: last day of entry, customers, estimate, lower and
    upper bound.
    """

    arm: str
    against: str
    outcome: str
    n: int
    estimate: float | None
    lower: float | None
    upper: float | None
    state: str
    """better, worse or open."""
    alpha: float
    path: tuple[tuple[date, int, float, float, float], ...] = ()
    variance_saved: float | None = None

    @property
    def neutral(self) -> float:
        """The value that says "no difference"."""
        return 1.0 if self.outcome == "time_to_churn" else 0.0


@dataclass(frozen=True)
class ExperimentStepFacts:
    """Something that was done."""

    at: datetime
    who: str
    action: str
    why: str


@dataclass(frozen=True)
class ExperimentFacts:
    """Where one experiment stands, and what may be read off it."""

    line: ExperimentLine
    days_to_mature: float
    outcomes: tuple[str, ...]
    alpha: float
    population: str
    arms: tuple[ArmFacts, ...]
    effects: tuple[EffectFacts, ...]
    mismatch: bool
    """Whether the arms did not get their shares of the customers."""
    withheld: str
    """Why nothing is read off; empty: the readings stand."""
    matured_until: str
    waiting_for: str
    notes: tuple[str, ...]
    history: tuple[ExperimentStepFacts, ...]

    @classmethod
    def of(cls, told: Document, steps: Sequence[Document]) -> ExperimentFacts:
        """From ``ExperimentView.to_json()`` and ``ExperimentHistory.to_json()["steps"]``."""
        plan = told["plan"]
        readings = {reading["arm"]: reading for reading in told["arms"]}
        versions: Document = told.get("versions") or {}
        return cls(
            line=ExperimentLine.of(told),
            days_to_mature=told["days_to_mature"],
            outcomes=tuple(plan["outcomes"]),
            alpha=plan["alpha"],
            population=plan.get("population", ""),
            arms=tuple(
                ArmFacts(
                    name=arm["name"],
                    weight=arm["weight"],
                    gets=versions.get(arm["name"]) or arm.get("model") or arm.get("offer") or "",
                    cost=arm.get("cost", 0.0),
                    entered=readings[arm["name"]]["entered"],
                    counted=readings[arm["name"]]["counted"],
                    missing=readings[arm["name"]]["missing"],
                    retained=readings[arm["name"]].get("retained"),
                    revenue=readings[arm["name"]].get("revenue"),
                )
                for arm in plan["arms"]
            ),
            effects=(
                *(_effect(one) for one in told["effects"]),
                *(_hazard(one) for one in told["hazards"]),
            ),
            mismatch=told["ratio"]["mismatch"],
            withheld=told.get("withheld") or "",
            matured_until=told.get("matured_until") or "",
            waiting_for=told.get("waiting_for") or "",
            notes=tuple(told.get("notes") or ()),
            history=tuple(
                ExperimentStepFacts(_moment(s["at"]), s["who"], s["action"], s["why"])
                for s in steps
            ),
        )


@dataclass(frozen=True)
class SizeFacts:
    """How many customers a comparison takes."""

    arm: str
    method: str
    """fixed: one look at the planned end; sequential: a look at any time."""
    adjusted: bool
    """With CUPED."""
    customers: int | None
    median: int | None
    days: float | None


@dataclass(frozen=True)
class ExperimentPlanFacts:
    """An experiment before it begins."""

    retention: float
    effect: float
    alpha: float
    power: float
    correlation: float
    correlation_from: str
    customers_per_day: float | None
    days_to_mature: float
    sizes: tuple[SizeFacts, ...]

    @classmethod
    def of(cls, told: Document) -> ExperimentPlanFacts:
        """From ``PlannedExperiment.to_json()``."""
        plain = {name: told[name] for name in cls.__dataclass_fields__ if name != "sizes"}
        sizes = tuple(
            SizeFacts(**{name: size[name] for name in SizeFacts.__dataclass_fields__})
            for size in told["sizes"]
        )
        return cls(**plain, sizes=sizes)


def _effect(told: Document) -> EffectFacts:
    path = tuple(
        (date.fromisoformat(p["day"]), p["n"], p["estimate"], p["lower"], p["upper"])
        for p in told.get("path") or ()
    )
    return EffectFacts(
        arm=told["arm"],
        against=told["against"],
        outcome=told["outcome"],
        n=told["n"],
        estimate=told["estimate"],
        lower=told["lower"],
        upper=told["upper"],
        state=told["state"],
        alpha=told["alpha"],
        path=path,
        variance_saved=told.get("variance_saved"),
    )


def _hazard(told: Document) -> EffectFacts:
    return EffectFacts(
        arm=told["arm"],
        against=told["against"],
        outcome="time_to_churn",
        n=told["events"],
        estimate=told["ratio"],
        lower=told["lower"],
        upper=told["upper"],
        state=told["state"],
        alpha=told["alpha"],
    )


def _moment(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
