"""Rollouts as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.domain.rollouts import RolloutRow, RolloutStep

_METRICS = {
    "profit": "profit per customer",
    "brier": "Brier score",
    "log_loss": "log loss",
    "error_rate": "error rate",
    "latency": "latency, ms",
}
_STREAMS = {"live": "", "history": " (history)"}


def rollouts_table(rows: Sequence[RolloutRow]) -> RenderableType:
    """All rollouts in a line each."""
    table = _table(
        "rollout", "challenger", "against", "attempt", "stands at", "began (UTC)", "ended (UTC)"
    )
    for row in rows:
        table.add_row(
            row.rollout_id,
            row.challenger,
            row.champion,
            str(row.attempt),
            where(row),
            f"{row.created_at:%Y-%m-%d %H:%M}",
            f"{row.ended_at:%Y-%m-%d %H:%M}" if row.ended_at else "",
        )
    return table


def where(row: RolloutRow) -> str:
    """Condition and stage in a few words."""
    if row.outcome is not None:
        return row.outcome
    stage = row.plan["stages"][row.position["stage"]]["name"]
    condition = row.position["condition"]
    return f"stage '{stage}'" if condition == "running" else f"stage '{stage}', {condition}"


def ladder(row: RolloutRow) -> Text:
    """The stages, with the one where it stands."""
    at = int(row.position["stage"])
    text = Text()
    for place, stage in enumerate(row.plan["stages"]):
        text.append(" → " if place else "")
        style = "bold reverse" if place == at and row.outcome is None else "dim"
        text.append(f" {stage['name']} " if place == at else stage["name"], style=style)
    done = row.outcome == "promoted"
    text.append(" → ")
    text.append("100 %", style="bold reverse" if done else "dim")
    return text


def readings_table(readings: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Each gate and guardrail with its bounds; gains are above 0 where the challenger is better."""
    table = _table("", "what", "pairs", "gain", "is between", "must be", "so far")
    for column in (2, 3):
        table.columns[column].justify = "right"
    for one in readings:
        latency = one["metric"] == "latency"
        tolerance = one["tolerance"]
        if one["role"] == "gate":
            must = f"above {_number(-tolerance)}"
        elif latency:
            must = f"at most {tolerance:g}"
        else:
            must = f"not below {_number(-tolerance)}"
        table.add_row(
            one["role"],
            _METRICS.get(one["metric"], one["metric"]) + _STREAMS[one["stream"]],
            f"{one['n']:,}",
            "" if one["mean"] is None else _number(one["mean"]),
            f"{_number(one['lower'])} and {_number(one['upper'])}",
            must,
            {"open": "not decided"}.get(one["state"], one["state"]),
        )
        for end in one.get("band") or ():
            table.add_row(
                "",
                f"  if {end['success_rate']:.0%} accept",
                "",
                _number(end["mean"]),
                f"{_number(end['lower'])} and {_number(end['upper'])}",
                "",
                "",
            )
    return table


def steps_table(steps: Sequence[RolloutStep]) -> RenderableType:
    """What was done, by whom and why."""
    table = _table("#", "when (UTC)", "who", "what", "stage", "share", "pairs", "why")
    for column in (0, 5, 6):
        table.columns[column].justify = "right"
    for step in steps:
        table.add_row(
            str(step.sequence),
            f"{step.at:%Y-%m-%d %H:%M}",
            Text(step.who),
            step.action,
            Text(step.stage),
            f"{step.share:.1%}".replace(".0%", "%"),
            f"{step.pairs:,}",
            Text(step.why),
        )
    return table


def replay_table(turns: Sequence[tuple[Any, int]]) -> RenderableType:
    """When what would have been decided: decisions with the pairs that they rest on."""
    table = _table("when (UTC)", "what", "share then", "pairs", "why")
    for column in (2, 3):
        table.columns[column].justify = "right"
    for decision, pairs in turns:
        table.add_row(
            f"{decision.at:%Y-%m-%d %H:%M}",
            decision.verdict,
            f"{decision.next_share:.1%}".replace(".0%", "%"),
            f"{pairs:,}",
            Text(decision.reason),
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:+.4g}" if value else "0"


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table
