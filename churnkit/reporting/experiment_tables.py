"""Experiments as a person reads them in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.domain.experiments import (
    EffectReading,
    ExperimentRow,
    ExperimentStatus,
    ExperimentStep,
    HazardReading,
    SamplePlan,
)

_OUTCOMES = {
    "retention": "share who stay",
    "revenue": "revenue per customer",
    "time_to_churn": "ratio of hazards",
}


def experiments_table(rows: Sequence[ExperimentRow]) -> RenderableType:
    """All experiments in a line each."""
    table = _table("experiment", "of", "arms", "outcomes", "began (UTC)", "stopped (UTC)")
    for row in rows:
        plan = row.planned
        table.add_row(
            row.experiment_id,
            row.kind,
            Text(", ".join(f"{arm.name} {arm.weight:.0%}" for arm in plan.arms)),
            ", ".join(plan.outcomes).replace("_", " "),
            f"{row.started_at:%Y-%m-%d %H:%M}",
            f"{row.stopped_at:%Y-%m-%d %H:%M}" if row.stopped_at else "",
        )
    return table


def head_lines(status: ExperimentStatus) -> list[RenderableType]:
    """What it is, and how far it is."""
    row, plan = status.experiment, status.experiment.planned
    others = ", ".join(arm.name for arm in plan.arms[1:])
    head = f"{row.experiment_id}: {others} against {plan.control.name} ({row.kind}), "
    lines: list[RenderableType] = [Text(head + status.condition, style="bold")]
    until = f" until {row.stopped_at:%Y-%m-%d %H:%M}" if row.stopped_at else ""
    lines.append(
        Text(
            f"Customers enter since {row.started_at:%Y-%m-%d %H:%M} UTC{until}; an outcome is due "
            f"after {row.days_to_mature:g} days."
        )
    )
    if plan.population:
        lines.append(Text(f"Who may enter: {plan.population}"))
    if status.matured_until:
        lines.append(Text(f"Outcomes count of those who entered until {status.matured_until}."))
    if status.waiting_for:
        lines.append(Text(f"Waiting for outcomes of {status.waiting_for}."))
    return lines


def arms_table(status: ExperimentStatus) -> RenderableType:
    """The arms with their customers."""
    revenue = any(arm.revenue is not None for arm in status.arms)
    columns = ["arm", "share", "entered", "counted", "no outcome", "stayed"]
    table = _table(*columns, *(["revenue"] if revenue else []), right=range(1, 7))
    for arm in status.arms:
        cells = [
            arm.arm,
            f"{arm.weight:.1%}",
            f"{arm.entered:,}",
            f"{arm.counted:,}",
            f"{arm.missing:,}",
            "" if arm.retained is None else f"{arm.retained:.2%}",
        ]
        if revenue:
            cells.append("" if arm.revenue is None else f"{arm.revenue:,.2f}")
        table.add_row(*(Text(cell) for cell in cells))
    return table


def readings_lines(status: ExperimentStatus) -> list[RenderableType]:
    """The readings with their bounds, or why there are none."""
    lines: list[RenderableType] = []
    if status.withheld:
        lines.append(Text(f"Nothing is read off: {status.withheld}", style="bold"))
    if status.effects or status.hazards:
        table = _table("arm", "in", "customers", "estimate", "bounds", "says", right=(2, 3, 4))
        for effect in status.effects:
            table.add_row(*_effect(effect))
        for hazard in status.hazards:
            table.add_row(*_hazard(hazard))
        lines.append(table)
        lines.append(
            Text(
                "Bounds hold at every look, for all arms and outcomes together, with probability "
                f"{1 - status.experiment.planned.alpha:.0%}.",
                style="dim",
            )
        )
        lines += [
            Text(_saved(effect)) for effect in status.effects if effect.variance_saved is not None
        ]
    lines += [Text(note) for note in status.notes]
    return lines


def experiment_steps_table(steps: Sequence[ExperimentStep]) -> RenderableType:
    """What was done, a line each."""
    table = _table("when (UTC)", "who", "did", "why")
    for step in steps:
        table.add_row(f"{step.at:%Y-%m-%d %H:%M}", Text(step.who), step.action, Text(step.why))
    return table


def sizes_table(plan: SamplePlan) -> RenderableType:
    """Customers and days that each method takes."""
    table = _table(
        "method", "CUPED", "arm", "customers", "in control", "half are decided by", "days",
        right=range(3, 7),
    )  # fmt: skip
    for size in plan.sizes:
        table.add_row(
            "one look at the end" if size.method == "fixed" else "look at any time",
            "yes" if size.adjusted else "no",
            Text(size.arm),
            "beyond reach" if size.customers is None else f"{size.customers:,}",
            "" if size.control is None else f"{size.control:,}",
            "" if size.median is None or size.method == "fixed" else f"{size.median:,}",
            "" if size.days is None else f"{size.days:,.0f}",
        )
    head = (
        f"To find {plan.effect:+.3g} on a share of {plan.retention:.1%} who stay, with power "
        f"{plan.power:.0%} at {plan.alpha:.3g} (two-sided, each comparison):"
    )
    days = (
        f"Days count {plan.customers_per_day:,.4g} customers a day and "
        f"{plan.days_to_mature:g} days until an outcome is due."
        if plan.customers_per_day
        else "Days are not known: say how many customers enter a day."
    )
    return Group(
        Text(head, style="bold"),
        table,
        Text(f"CUPED counts a correlation of {plan.correlation:.2f} ({plan.correlation_from})."),
        Text(days),
        Text(
            f"The sequential sizes are from {plan.simulated:,} simulated experiments each: an "
            "estimate of what it takes, no guarantee.",
            style="dim",
        ),
    )


def _effect(effect: EffectReading) -> tuple[RenderableType, ...]:
    money = effect.outcome == "revenue"

    def shown(value: float | None) -> str:
        if value is None or math.isinf(value):
            return ""
        return f"{value:+,.2f}" if money else f"{100 * value:+.2f} pp"

    bounds = "" if effect.lower is None else f"{shown(effect.lower)} … {shown(effect.upper)}"
    return (
        Text(effect.arm),
        _OUTCOMES[effect.outcome],
        f"{effect.n:,}",
        shown(effect.estimate),
        bounds,
        effect.state,
    )


def _hazard(hazard: HazardReading) -> tuple[RenderableType, ...]:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:.3g}"

    upper = "∞" if hazard.upper is None else shown(hazard.upper)
    bounds = "" if hazard.lower is None else f"{shown(hazard.lower)} … {upper}"
    return (
        Text(hazard.arm),
        _OUTCOMES["time_to_churn"],
        f"{hazard.events:,} left",
        shown(hazard.ratio),
        bounds,
        hazard.state,
    )


def _saved(effect: EffectReading) -> str:
    return (
        f"CUPED takes {effect.variance_saved:.1%} of the variance of the {effect.outcome} of "
        f"'{effect.arm}' away (coefficient now {effect.coefficient:+.3g})."
    )


def _table(*columns: str, right: Sequence[int] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place in right else "left")
    return table
