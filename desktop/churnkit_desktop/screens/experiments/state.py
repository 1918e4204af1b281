"""Arms and weights as they are planned, and what the screen says of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any

from churnkit_desktop import formats
from churnkit_desktop.backend.experiment_facts import EffectFacts, ExperimentFacts
from churnkit_desktop.language import tr
from churnkit_desktop.words import date_of, decimals, percent, whole, with_unit

OUTCOMES = {
    "retention": tr("share who stay"),
    "revenue": tr("revenue per customer"),
    "time_to_churn": tr("time to leaving"),
}
MOST_ARMS = 10


@dataclass(frozen=True)
class Arm:
    """One arm of a plan; ``gets`` is an offer or a model's version."""

    name: str
    weight: float
    gets: str = ""
    cost: float = 0.0


@dataclass(frozen=True)
class PlanForm:
    """What a person enters before an experiment; the first arm is the control."""

    kind: str = "treatments"
    arms: tuple[Arm, ...] = (Arm("control", 0.5), Arm("offer", 0.5, tr("an offer")))
    outcomes: tuple[str, ...] = ("retention",)
    revenue_cap: float = 0.0
    alpha: float = 0.05
    smallest_effect: float = 0.02
    retention: float = 0.0
    """Of the control, for the sizes; 0: as measured."""
    per_day: float = 0.0
    """Customers who enter a day, for the duration; 0: as lately."""
    power: float = 0.8
    adjust: bool = True
    population: str = ""
    why: str = ""

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any]) -> PlanForm:
        """From what was kept; names that are no longer known are left out."""
        known = {name: kept[name] for name in cls.__dataclass_fields__ if name in kept}
        if "arms" in known:
            known["arms"] = tuple(Arm(**arm) for arm in known["arms"])
        if "outcomes" in known:
            known["outcomes"] = tuple(known["outcomes"])
        return cls(**known)

    def kept(self) -> dict[str, Any]:
        """As plain data."""
        plain = asdict(self)
        plain["arms"] = [asdict(arm) for arm in self.arms]
        plain["outcomes"] = list(self.outcomes)
        return plain

    def of_kind(self, kind: str, champion: str, challenger: str) -> PlanForm:
        """The same for models or for treatments."""
        if kind == self.kind:
            return self
        if kind == "models":
            arms: tuple[Arm, ...] = (
                Arm("champion", 0.5, champion),
                Arm("challenger", 0.5, challenger),
            )
        else:
            arms = PlanForm().arms
        return replace(self, kind=kind, arms=arms)

    def with_arm(self, place: int, **changes: Any) -> PlanForm:
        """One arm changed; of two arms the other one's weight follows."""
        arms = list(self.arms)
        arms[place] = replace(arms[place], **changes)
        if "weight" in changes and len(arms) == 2:
            arms[1 - place] = replace(arms[1 - place], weight=round(1 - changes["weight"], 6))
        return replace(self, arms=tuple(arms))

    def with_more(self) -> PlanForm:
        """One arm more, and even weights."""
        names = {arm.name for arm in self.arms}
        number = next(
            n for n in range(2, MOST_ARMS + 2) if tr("offer {n}").format(n=n) not in names
        )
        arms = (
            *self.arms,
            Arm(tr("offer {number}").format(number=number), 0.1, tr("another offer")),
        )
        return replace(self, arms=_even(arms))

    def with_less(self) -> PlanForm:
        """The last arm taken out, and even weights."""
        return replace(self, arms=_even(self.arms[:-1]))

    @property
    def total(self) -> float:
        """The sum of the weights, which has to be 1."""
        return sum(arm.weight for arm in self.arms)

    @property
    def problem(self) -> str:
        """What is wrong with the arms; empty: nothing that is seen here."""
        if abs(self.total - 1) > 1e-6:
            return tr("The weights add up to {total}, and must give {all}.").format(
                total=percent(self.total), all=percent(1.0, 0)
            )
        names = [arm.name.strip() for arm in self.arms]
        if len(set(names)) < len(names) or not all(names):
            return tr("Each arm needs a name of its own.")
        if "revenue" in self.outcomes and self.revenue_cap <= 0:
            return tr("Revenue needs the most of one customer that counts.")
        if not self.outcomes:
            return tr("Choose at least one outcome.")
        return ""

    def plan(self) -> dict[str, Any]:
        """The plan as ``start_experiment`` takes it."""
        arms = []
        for arm in self.arms:
            one: dict[str, Any] = {"name": arm.name.strip(), "weight": arm.weight}
            if self.kind == "models":
                one["model"] = arm.gets
            elif arm.gets and arm is not self.arms[0]:
                one["offer"] = arm.gets
            if arm.cost:
                one["cost"] = arm.cost
            arms.append(one)
        plan: dict[str, Any] = {"kind": self.kind, "arms": arms, "outcomes": list(self.outcomes)}
        plan |= {"alpha": self.alpha, "smallest_effect": self.smallest_effect}
        if "revenue" in self.outcomes:
            plan["revenue_cap"] = self.revenue_cap
        if not self.adjust:
            plan["adjust"] = False
        if self.population.strip():
            plan["population"] = self.population.strip()
        return plan

    def planning(self) -> dict[str, Any]:
        """The arguments of ``plan_experiment``."""
        arguments: dict[str, Any] = {"plan": self.plan(), "power": self.power}
        if self.retention:
            arguments["retention"] = self.retention
        if self.per_day:
            arguments["customers_per_day"] = self.per_day
        return arguments


def _even(arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    share = round(1 / len(arms), 4)
    last = round(1 - share * (len(arms) - 1), 4)
    return tuple(
        replace(arm, weight=last if i == len(arms) - 1 else share) for i, arm in enumerate(arms)
    )


@dataclass(frozen=True)
class Reading:
    """One comparison along the days of entry, ready to be drawn; x in seconds since 1970."""

    title: str
    unit: str
    neutral: float
    x: tuple[float, ...] = ()
    estimate: tuple[float, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """The y range worth looking at: the last bounds, with the line of no difference."""
        if not self.x:
            return (self.neutral - 1, self.neutral + 1)
        half = len(self.x) // 3
        low, high = min(*self.lower[half:], self.neutral), max(*self.upper[half:], self.neutral)
        room = (high - low) * 0.08 or 1.0
        return (low - room, high + room)


def effect_key(effect: EffectFacts) -> str:
    """Names a comparison."""
    return f"{effect.arm} {effect.outcome}"


def effect_title(effect: EffectFacts) -> str:
    """A comparison in words."""
    what = OUTCOMES.get(effect.outcome, effect.outcome)
    return tr("{arm} against {against}: {what}").format(
        arm=effect.arm, against=effect.against, what=what
    )


def reading(effect: EffectFacts, currency: str = "") -> Reading:
    """A comparison to draw; points of percentage where shares are compared."""
    scale = 100.0 if effect.outcome == "retention" else 1.0
    unit = {
        "retention": tr("more who stay (percentage points)"),
        "revenue": with_unit(tr("more revenue per customer, after costs"), currency),
    }.get(effect.outcome, tr("ratio of hazards"))
    days = [datetime.combine(p[0], time(), UTC).timestamp() for p in effect.path]
    return Reading(
        title=effect_title(effect),
        unit=unit,
        neutral=effect.neutral,
        x=tuple(days),
        estimate=tuple(p[2] * scale for p in effect.path),
        lower=tuple(p[3] * scale for p in effect.path),
        upper=tuple(p[4] * scale for p in effect.path),
    )


def verdict(effect: EffectFacts) -> str:
    """What may be said of a comparison, in a sentence."""
    if effect.estimate is None:
        return tr("nothing can be read off yet")
    if effect.state == "better":
        return tr("{arm} does better").format(arm=effect.arm)
    if effect.state == "worse":
        return tr("{arm} does worse").format(arm=effect.arm)
    return tr("not decided yet: the bounds hold no difference, too")


def figure(effect: EffectFacts, value: float | None, currency: str = "") -> str:
    """An estimate or bound with its unit."""
    if value is None:
        return "–"
    if effect.outcome == "retention":
        return tr("{value} points").format(value=decimals(2, "+")(value * 100))
    if effect.outcome == "revenue":
        written = decimals(2, "+")(value)
        return formats.amount(written, currency) if currency else written
    return f"{decimals(3)(value)} ×"


def standing(facts: ExperimentFacts) -> str:
    """Where it stands, in a sentence or two."""
    entered = sum(arm.entered for arm in facts.arms)
    counted = sum(arm.counted for arm in facts.arms)
    parts = [
        tr("{entered} customers entered; the outcomes of {counted} count").format(
            entered=whole(entered), counted=whole(counted)
        )
    ]
    if facts.matured_until:
        parts[0] += tr(", of entries until {matured_until}").format(
            matured_until=date_of(date.fromisoformat(facts.matured_until))
        )
    text = f"{parts[0]}."
    if facts.line.condition == "stopped":
        text += tr(" It was stopped: nobody enters any more, who is in it is followed to the end.")
    if facts.waiting_for:
        text += tr(" Waiting for {waiting_for}.").format(waiting_for=facts.waiting_for)
    return text


@dataclass
class Choice:
    """What is drawn."""

    effects: tuple[EffectFacts, ...] = field(default=())
    key: str = ""

    @property
    def chosen(self) -> EffectFacts | None:
        """The comparison that was chosen, else the first one."""
        return next(
            (one for one in self.effects if effect_key(one) == self.key),
            self.effects[0] if self.effects else None,
        )
