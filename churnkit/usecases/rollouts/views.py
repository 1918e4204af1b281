"""What the verbs of rollouts give back: to read, and as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.domain.rollouts import RolloutRow, RolloutStep
from churnkit.project import Project
from churnkit.reporting.rollout_tables import (
    ladder,
    readings_table,
    rollouts_table,
    steps_table,
    where,
)
from churnkit.rollout.controller import Decision
from churnkit.rollout.gathered import Gathered
from churnkit.rollout.plan import Plan
from churnkit.rollout.position import Position
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class RolloutView(Result):
    """Where one rollout stands, and what was seen at the latest look."""

    row: RolloutRow

    @property
    def rollout_id(self) -> str:
        """Its name."""
        return self.row.rollout_id

    @property
    def plan(self) -> Plan:
        """What it has to prove."""
        return Plan.model_validate(self.row.plan)

    @property
    def position(self) -> Position:
        """Stage, attempt and condition."""
        return Position.model_validate(self.row.position)

    @property
    def evidence(self) -> Gathered:
        """What is known so far."""
        return Gathered.model_validate(self.row.evidence)

    @property
    def share(self) -> float:
        """The share of customers whom the challenger answers."""
        return self.position.share(self.plan)

    def __rich__(self) -> RenderableType:
        row, position, known = self.row, self.position, self.evidence
        head = (
            f"{row.rollout_id}: {row.challenger} wants to take over from {row.champion} "
            f"(attempt {row.attempt}), {where(row)}"
        )
        lines: list[RenderableType] = [Text(head, style="bold"), ladder(row)]
        if row.outcome is None:
            lines.append(
                f"The challenger answers {self.share:.1%} of the customers since "
                f"{position.stage_since:%Y-%m-%d %H:%M} UTC. Revision {row.revision}."
            )
        lines.append(Text(_counted(known)))
        if row.decision:
            lines += [Text(_latest(row)), readings_table(row.decision["readings"])]
            lines += [Text(line) for line in signal_lines(row)]
            lines.append(
                Text(
                    "Bounds hold at every look together; gains are above 0 where the challenger "
                    "is better.",
                    style="dim",
                )
            )
        lines += [Text(line) for line in forecast_lines(row)]
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        row, position, known = self.row, self.position, self.evidence
        return {
            **summary(row),
            "stage_since": position.stage_since.isoformat(),
            "days_to_mature": row.days_to_mature,
            "salt": row.salt,
            "evidence": counted(known),
            "decision": row.decision or None,
            "forecast": row.forecast,
            "plan": row.plan,
        }


@dataclass(frozen=True, repr=False)
class Rollouts(Result):
    """All rollouts, the oldest first."""

    rows: tuple[RolloutRow, ...]

    def __rich__(self) -> RenderableType:
        if not self.rows:
            return "No rollouts yet. Start one with 'churnkit rollout start'."
        return rollouts_table(self.rows)

    def to_json(self) -> dict[str, object]:
        return {"rollouts": [summary(row) for row in self.rows]}


@dataclass(frozen=True, repr=False)
class Looked(Result):
    """One look at a rollout, and what came of it."""

    view: RolloutView
    decision: Decision | None
    """None: nothing was decided, because it is over or somebody else looked."""
    acted: bool
    beaten: bool = False
    """Another process was quicker: its look counts."""

    def __rich__(self) -> RenderableType:
        if self.beaten:
            said = "Another process looked at the same moment: its look counts."
        elif self.decision is not None:
            said = f"{self.decision.verdict}: {self.decision.reason}"
        elif self.view.row.outcome is not None:
            said = f"The rollout is over: {self.view.row.outcome}."
        else:
            said = "Somebody looked a moment ago."
        return Group(Text(said, style="bold"), self.view)

    def to_json(self) -> dict[str, object]:
        return {"acted": self.acted, "beaten": self.beaten, "rollout": self.view.to_json()}


@dataclass(frozen=True, repr=False)
class RolloutHistory(Result):
    """What was done with a rollout."""

    row: RolloutRow
    steps: tuple[RolloutStep, ...]

    def __rich__(self) -> RenderableType:
        head = f"{self.row.rollout_id}: {self.row.challenger} against {self.row.champion}"
        return Group(Text(head, style="bold"), steps_table(self.steps))

    def to_json(self) -> dict[str, object]:
        return {
            "rollout_id": self.row.rollout_id,
            "steps": [_told(step) for step in self.steps],
        }

    def evidence_json(self) -> dict[str, object]:
        """What is known, and each look that saw more."""
        return {
            **counted(Gathered.model_validate(self.row.evidence)),
            "rollout_id": self.row.rollout_id,
            "looks": [_told(step) for step in self.steps if step.decision],
        }


def view_of(project: Project, row: RolloutRow, *, now: datetime) -> RolloutView:
    """A rollout to show."""
    return RolloutView(row)


def summary(row: RolloutRow) -> dict[str, Any]:
    """A rollout in a few fields."""
    position = Position.model_validate(row.position)
    plan = Plan.model_validate(row.plan)
    return {
        "rollout_id": row.rollout_id,
        "champion": row.champion,
        "challenger": row.challenger,
        "attempt": row.attempt,
        "condition": position.condition,
        "stage": plan.stages[position.stage].name,
        "share": position.share(plan),
        "revision": row.revision,
        "created_at": row.created_at.isoformat(),
        "looked_at": row.looked_at.isoformat() if row.looked_at else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
        "outcome": row.outcome,
    }


def counted(known: Gathered) -> dict[str, Any]:
    """How many pairs there are, and which are none."""
    return {
        "pairs": known.live.n,
        "repeated": known.live.repeated,
        "without_weight": known.live.without_weight,
        "late": known.live.not_after,
        "unpaired": known.unpaired,
        "history_pairs": known.history.n if known.history else 0,
        "outcomes_until": known.outcomes_until.isoformat() if known.outcomes_until else None,
        "waiting_for": known.waiting_for,
    }


def _told(step: RolloutStep) -> dict[str, Any]:
    return {**step.model_dump(mode="json"), "decision": step.decision or None}


def _counted(known: Gathered) -> str:
    parts = [f"{known.live.n:,} matured pairs"]
    if known.history is not None:
        parts.append(f"{known.history.n:,} from history")
    for n, what in (
        (known.live.repeated, "later predictions of the same customers"),
        (known.live.without_weight, "whose outcome is no evidence"),
        (known.unpaired, "customers whom only one model scored"),
    ):
        if n:
            parts.append(f"{n:,} {what}")
    text = ", ".join(parts) + "."
    return f"{text} Waiting for outcomes of {known.waiting_for}." if known.waiting_for else text


def _latest(row: RolloutRow) -> str:
    decision = row.decision
    when = f"{datetime.fromisoformat(decision['at']):%Y-%m-%d %H:%M} UTC"
    text = f"Latest look ({when}): {decision['verdict']}: {decision['reason']}."
    if row.outcome is None and decision.get("expected_at") and decision.get("labels_needed"):
        expected = datetime.fromisoformat(decision["expected_at"])
        text += f" A verdict is expected about {expected:%Y-%m-%d}."
    return text


def signal_lines(row: RolloutRow) -> list[str]:
    """What was seen without labels, and what of it somebody went on in spite of."""
    overruled = row.position.get("overruled", ())
    lines = []
    for signal in row.decision.get("signals", ()):
        text = f"{signal['name']}: {signal['detail']}"
        if signal["name"] in overruled:
            text += "; somebody went on in spite of it"
        lines.append(f"{text[:1].upper()}{text[1:]}.")
    return lines


def forecast_lines(row: RolloutRow) -> list[str]:
    """What was expected at the start."""
    told = row.forecast
    lines = []
    if told.get("reachable") is not None:
        lines.append(
            f"Forecast at the start: {told['customers']:,} customers with "
            f"{told['predictions_per_day']:,.4g} predictions a day give up to "
            f"{told['reachable']:,} matured pairs in two years, the first after "
            f"{row.days_to_mature:g} days."
        )
    else:
        lines.append("Forecast at the start: no load is known yet; give --customers and --per-day.")
    if told.get("labels_needed") is not None:
        text = f"If the gain is as expected, a verdict takes about {told['labels_needed']:,} pairs"
        if told.get("expected_at"):
            text += f", about {datetime.fromisoformat(told['expected_at']):%Y-%m-%d}"
        elif told.get("reachable") is not None:
            text += ", which this base does not reach"
        lines.append(text + ".")
    return lines
