"""What the screen shows of a rollout: courses of the evidence, what may be done, the plan form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from churnkit_desktop.backend.rollout_facts import (
    GateFacts,
    LookFacts,
    PlanFacts,
    RolloutFacts,
    RolloutLine,
)
from churnkit_desktop.language import tr
from churnkit_desktop.words import date_of, figure, stage, whole

METRICS = {
    "profit": tr("profit per customer"),
    "brier": tr("Brier score"),
    "log_loss": tr("log loss"),
    "error_rate": tr("error rate"),
    "latency": "latency",
}


@dataclass(frozen=True)
class Course:
    """One gate or guardrail, look by look.

    ``x`` are matured pairs; ``line`` is what a gate must stay above with its lower bound, or a
    guardrail with its upper one. Gains are above 0 where the challenger is better.
    """

    key: str
    title: str
    unit: str
    money: bool
    """Whether it is an amount, in the currency of the project."""
    line: float
    line_text: str
    x: tuple[float, ...]
    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    marks: tuple[tuple[float, str], ...]
    """Matured pairs at which something was decided, and what."""

    @property
    def reach(self) -> tuple[float, float]:
        """The y range worth looking at: the first bounds are very wide, the last ones matter."""
        if not self.x:
            return (-1.0, 1.0)
        half = max(1, len(self.x) // 3)
        low = min(*self.lower[half:], self.lower[-1], self.line)
        high = max(*self.upper[half:], self.upper[-1], self.line)
        room = (high - low) * 0.08 or 1.0
        return (low - room, high + room)


def course_keys(plan: PlanFacts) -> tuple[tuple[str, str], ...]:
    """Key and title of everything that is tested, gates first."""
    return tuple((_key(rule), rule_title(rule)) for rule in plan.gates)


def rule_title(rule: GateFacts) -> str:
    """A gate or guardrail in words."""
    past = tr(" (history)") if rule.stream == "history" else ""
    return f"{rule.role.capitalize()}: {METRICS.get(rule.metric, rule.metric)}{past}"


def course(looks: Sequence[LookFacts], key: str, plan: PlanFacts) -> Course:
    """The course of one gate or guardrail of the live stream."""
    rule = next((r for r in plan.gates if _key(r) == key), plan.gates[0])
    points: list[tuple[float, float, float, float]] = []
    marks: list[tuple[float, str]] = []
    for look in looks:
        if look.changes and look.verdict not in ("wait", "pause"):
            marks.append((float(look.pairs), look.verdict))
        for reading in look.readings:
            if _key(reading) != _key(rule):
                continue
            if reading.mean is not None and None not in (reading.lower, reading.upper):
                point = (float(reading.n), reading.mean, reading.lower, reading.upper)
                points.append(point)  # type: ignore[arg-type]
    columns = tuple(zip(*points, strict=True)) if points else ((), (), (), ())
    wanted = (
        tr("promotes above")
        if rule.role == "gate"
        else tr("{action}s below").format(action=rule.action)
    )
    latency = rule.metric == "latency"
    return Course(
        key=_key(rule),
        title=rule_title(rule),
        unit=tr("latency (ms)")
        if latency
        else tr("gain in {metric}").format(metric=METRICS.get(rule.metric, rule.metric)),
        money=rule.metric == "profit",
        line=rule.tolerance if latency else 0.0 - rule.tolerance,
        line_text=tr("{action}s above").format(action=rule.action) if latency else wanted,
        x=columns[0],
        mean=columns[1],
        lower=columns[2],
        upper=columns[3],
        marks=tuple(marks),
    )


def _key(rule: GateFacts) -> str:
    return f"{rule.role} {rule.metric} {rule.stream}"


@dataclass(frozen=True)
class Moves:
    """What a person may do now."""

    pause: bool = False
    resume: bool = False
    promote: bool = False
    abort: bool = False
    look: bool = False

    @classmethod
    def of(cls, line: RolloutLine | None, why: str) -> Moves:
        """Moves need a reason; looking does not."""
        if line is None or line.outcome is not None:
            return cls()
        reasoned = bool(why.strip())
        paused = line.condition == "paused"
        return cls(
            pause=reasoned and not paused,
            resume=reasoned and paused,
            promote=reasoned,
            abort=reasoned,
            look=True,
        )


def standing(facts: RolloutFacts) -> str:
    """Where it stands, in a sentence or two."""
    line = facts.line
    if line.outcome == "promoted":
        return tr("{challenger} took over from {champion}.").format(
            challenger=line.challenger, champion=line.champion
        )
    if line.outcome == "aborted":
        return tr("{challenger} was stopped; {champion} serves alone.").format(
            challenger=line.challenger, champion=line.champion
        )
    share = (
        tr("nobody (in shadow)")
        if line.share == 0
        else tr("{share} of the customers").format(share=stage(line.share))
    )
    paused = "Paused. " if line.condition == "paused" else ""
    return tr("{paused}{challenger} answers {share}, {champion} everybody else.").format(
        paused=paused, challenger=line.challenger, share=share, champion=line.champion
    )


def outlook(facts: RolloutFacts) -> str:
    """When a verdict can be expected."""
    if facts.line.outcome is not None:
        return ""
    parts = []
    if facts.labels_needed:
        parts.append(
            tr("about {labels_needed} more matured pairs are needed").format(
                labels_needed=whole(facts.labels_needed)
            )
        )
    if facts.expected_at is not None:
        parts.append(
            tr("expected about {expected_at}").format(expected_at=date_of(facts.expected_at))
        )
    if not parts:
        forecast = facts.plan.forecast
        if forecast.expected_at is not None:
            return tr("Verdict: expected about {expected_at} (said at the start).").format(
                expected_at=date_of(forecast.expected_at)
            )
        return tr("Verdict: no date can be told yet.")
    return tr("Verdict: {parts}.").format(parts=", ".join(parts))


def stage_position(facts: RolloutFacts) -> int:
    """The place in the ramp; the number of stages once it is promoted."""
    names = [stage.name for stage in facts.plan.stages]
    if facts.line.outcome == "promoted":
        return len(names)
    return names.index(facts.line.stage) if facts.line.stage in names else 0


@dataclass(frozen=True)
class StartForm:
    """What a person enters before a start; zeros mean "as the project says" or "as lately"."""

    challenger: str = ""
    tolerance: float = 0.0
    """Largest loss of profit per customer that still counts as good enough."""
    expected_gain: float = 0.0
    expected_sd: float = 0.0
    alpha_promote: float = 0.05
    alpha_abort: float = 0.05
    automatic_promotion: bool = True
    automatic_abort: bool = True
    customers: int = 0
    per_day: float = 0.0
    why: str = ""

    @classmethod
    def of(cls, plan: PlanFacts, why: str = "") -> StartForm:
        """The defaults of a project."""
        profit = next(g for g in plan.gates if g.role == "gate" and g.metric == "profit")
        return cls(
            challenger=plan.challenger,
            tolerance=profit.tolerance,
            alpha_promote=plan.alpha_promote,
            alpha_abort=plan.alpha_abort,
            automatic_promotion=plan.automatic_promotion,
            automatic_abort=plan.automatic_abort,
            why=why,
        )

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any]) -> StartForm:
        """From what was kept; names that are no longer known are left out."""
        known = {name: kept[name] for name in cls.__dataclass_fields__ if name in kept}
        return cls(**known)

    def kept(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def arguments(self, usual: StartForm) -> dict[str, Any]:
        """The arguments of ``start_rollout``; what is as usual is left out.

        Parameters
        ----------
        usual : the project's defaults
        """
        plan: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("alpha_promote", "alpha_abort", "automatic_promotion", "automatic_abort")
            if getattr(self, name) != getattr(usual, name)
        }
        hoped = self.expected_gain > 0 and self.expected_sd > 0
        if self.tolerance != usual.tolerance or hoped:
            gate: dict[str, Any] = {"metric": "profit", "tolerance": self.tolerance}
            if hoped:
                gate |= {"expected_gain": self.expected_gain, "expected_sd": self.expected_sd}
            plan["gates"] = [gate]
        arguments: dict[str, Any] = {"challenger": self.challenger or usual.challenger}
        if plan:
            arguments["plan"] = plan
        if self.customers:
            arguments["customers"] = self.customers
        if self.per_day:
            arguments["predictions_per_day"] = self.per_day
        if self.why.strip():
            arguments["why"] = self.why.strip()
        return arguments


def forecast_text(plan: PlanFacts) -> str:
    """What is expected, in sentences."""
    told = plan.forecast
    if told.reachable is None or told.customers is None or told.predictions_per_day is None:
        return tr(
            "No load is known yet, so no date can be told: enter how many "
            "customers there are and how many are scored a day."
        )
    lines = [
        tr(
            "{customers} customers with {predictions_per_day} "
            "predictions a day give up to {reachable} matured pairs in two "
            "years, the first after {days_to_mature} days."
        ).format(
            customers=whole(told.customers),
            predictions_per_day=figure(told.predictions_per_day),
            reachable=whole(told.reachable),
            days_to_mature=figure(plan.days_to_mature),
        )
    ]
    if told.labels_needed is None:
        lines.append(tr("Enter the gain you hope for to see when a verdict can be expected."))
    elif told.expected_at is None:
        lines.append(
            tr(
                "A verdict would take about {labels_needed} pairs, more than this base gives."
            ).format(labels_needed=whole(told.labels_needed))
        )
    else:
        lines.append(
            tr("A verdict takes about {labels_needed} pairs: about {expected_at}.").format(
                labels_needed=whole(told.labels_needed), expected_at=date_of(told.expected_at)
            )
        )
    return "\n".join(lines)
