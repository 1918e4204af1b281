"""What a rollout can be expected to need, before its first prediction; and its plan to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.domain.rollouts import RolloutRow
from churnkit.errors import PlanInvalid, StepNotAllowed
from churnkit.ledger.rollout_counts import recent_load
from churnkit.ledger.rollouts import read_rollouts
from churnkit.project import Project
from churnkit.rollout.assignment import CHALLENGER
from churnkit.rollout.forecast import expected_supply, labels_needed
from churnkit.rollout.mixture import MeanSequence
from churnkit.rollout.plan import Plan, budget
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.result import Result
from churnkit.usecases.rollouts.plans import make_plan
from churnkit.usecases.rollouts.steps import document
from churnkit.usecases.rollouts.views import forecast_lines

LOAD_DAYS = 30
"""The load of so many days says what is to come."""


@dataclass(frozen=True, repr=False)
class RolloutPreview(Result):
    """What a rollout would be: nothing was started."""

    row: RolloutRow

    def __rich__(self) -> RenderableType:
        row = self.row
        plan = Plan.model_validate(row.plan)
        stages = " → ".join(stage.name for stage in plan.stages)
        gates = ", ".join(f"{gate.metric} > {0.0 - gate.tolerance:g}" for gate in plan.gates)
        rails = ", ".join(rail.metric for rail in plan.guardrails)
        return Group(
            Text(
                f"{row.challenger} against {row.champion}, attempt {row.attempt}; "
                "nothing was started.",
                style="bold",
            ),
            f"Stages: {stages} → promotion",
            f"Promotion needs: {gates} (wrong with at most {plan.alpha_promote:g})",
            f"It is stopped by: {rails} (wrong with at most {plan.alpha_abort:g})",
            *(Text(line) for line in forecast_lines(row)),
        )

    def to_json(self) -> dict[str, object]:
        row = self.row
        return {
            "champion": row.champion,
            "challenger": row.challenger,
            "attempt": row.attempt,
            "days_to_mature": row.days_to_mature,
            "plan": row.plan,
            "forecast": row.forecast,
        }


def preview_rollout(
    project: Project,
    challenger: str | None = None,
    *,
    plan: Mapping[str, Any] | Path | str | None = None,
    customers: int | None = None,
    predictions_per_day: float | None = None,
    now: datetime | None = None,
) -> RolloutPreview:
    """The plan that a rollout would have, and when a verdict could be expected.

    Nothing is started. Parameters and errors are those of ``start_rollout``.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    PlanInvalid : the plan cannot be used
    StepNotAllowed : the challenger serves already
    """
    at = now or datetime.now(UTC)
    chosen = make_plan(project, plan)
    version = find_version(project, challenger or CHALLENGER).version
    champion = find_version(project).version
    if version == champion:
        raise StepNotAllowed(
            f"{version} is the champion; there is nothing to prove.",
            fix="Train a challenger with 'churnkit train', or name one.",
        )
    rows = read_rollouts(project.ledger.engine)
    attempt = max((one.attempt for one in rows if one.challenger == version), default=0) + 1
    row = RolloutRow(
        rollout_id="",
        number=0,
        champion=champion,
        challenger=version,
        attempt=attempt,
        plan=document(chosen),
        salt="",
        days_to_mature=label_spans(project).days_to_mature,
        position={},
        evidence={},
        forecast=expected_load(project, at, customers, predictions_per_day),
        decision={},
        created_at=at,
    )
    told = {**row.forecast, **expected_verdict(chosen, row, attempt)}
    return RolloutPreview(row.model_copy(update={"forecast": told}))


def expected_load(
    project: Project, now: datetime, customers: int | None, per_day: float | None
) -> dict[str, Any]:
    """How many customers come how often: as told, or as it was lately."""
    for value, what in ((customers, "customers"), (per_day, "predictions_per_day")):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise PlanInvalid(f"{what} must be above 0.", key=what)
    seen = n = 0
    if customers is None or per_day is None:
        since = now - timedelta(days=LOAD_DAYS)
        seen, n = recent_load(project.ledger.engine, since=since, until=now)
    return {
        "customers": customers or seen or None,
        "predictions_per_day": per_day or (n / LOAD_DAYS if n else None),
    }


def expected_verdict(plan: Plan, row: RolloutRow, attempt: int) -> dict[str, Any]:
    """Labels and date of a verdict, as far as anything is known before the first one."""
    told: dict[str, Any] = {"labels_needed": None, "expected_at": None, "reachable": None}
    alpha = budget(plan, attempt).gate
    most: int | None = 0
    for gate in plan.gates:
        if gate.expected_gain is None or gate.expected_sd is None:
            most = None
            break
        needed = labels_needed(
            MeanSequence(limit=plan.limit(gate.metric)),
            against=-gate.tolerance,
            side="above",
            alpha=alpha,
            bets=plan.gate_bets,
            expected=(gate.expected_gain, gate.expected_sd),
        )
        most = None if needed is None or most is None else max(most, needed)
    told["labels_needed"] = most
    customers, per_day = row.forecast["customers"], row.forecast["predictions_per_day"]
    if customers and per_day:
        supply = expected_supply(
            start=row.created_at,
            customers=int(customers),
            predictions_per_day=float(per_day),
            days_to_mature=row.days_to_mature,
        )
        told["reachable"] = supply.reachable
        told["first_at"] = supply.points[0][0].isoformat()
        if most is not None and (date := supply.date_of(most)) is not None:
            told["expected_at"] = date.isoformat()
    return told
