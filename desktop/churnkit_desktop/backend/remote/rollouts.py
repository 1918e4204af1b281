"""Rollouts of a service, in the same documents as those of a project folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnkit.client.calls import rollouts as calls
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.backend.rollout_facts import PlanFacts, RolloutFacts, RolloutLine


def rollouts(line: Line) -> tuple[RolloutLine, ...]:
    """All of them, the oldest first."""
    told = line.ask(calls.rollouts())
    return tuple(RolloutLine.of(one.model_dump()) for one in told.rollouts)


def rollout(line: Line, rollout_id: str) -> RolloutFacts:
    """One of them, with all looks."""
    told, history, evidence = line.ask_all(
        calls.rollout(rollout_id),
        calls.rollout_history(rollout_id),
        calls.rollout_evidence(rollout_id),
    )
    steps = {step.sequence: step.model_dump() for step in (*history.steps, *evidence.looks)}
    return RolloutFacts.of(told.model_dump(), [steps[number] for number in sorted(steps)])


def plan_rollout(line: Line, arguments: Mapping[str, Any]) -> PlanFacts:
    """The plan that these arguments of ``start_rollout`` would give."""
    told = line.ask(
        calls.preview_rollout(
            arguments.get("challenger"),
            plan=arguments.get("plan"),
            customers=arguments.get("customers"),
            predictions_per_day=arguments.get("predictions_per_day"),
        )
    )
    return PlanFacts.of(told.model_dump())
