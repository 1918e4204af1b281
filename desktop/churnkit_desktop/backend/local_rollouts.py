"""Rollouts of a project folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import churnkit
from churnkit.project import Project
from churnkit_desktop.backend.rollout_facts import PlanFacts, RolloutFacts, RolloutLine


def rollouts(project: Project) -> tuple[RolloutLine, ...]:
    """All of them, the oldest first."""
    listed = churnkit.list_rollouts(project).to_json()["rollouts"]
    assert isinstance(listed, list)
    return tuple(RolloutLine.of(told) for told in listed)


def rollout(project: Project, rollout_id: str) -> RolloutFacts:
    """One of them, with all looks."""
    told = churnkit.rollout_status(project, rollout_id).to_json()
    steps = churnkit.rollout_history(project, rollout_id, all_looks=True).to_json()["steps"]
    assert isinstance(steps, list)
    return RolloutFacts.of(told, steps)


def plan_rollout(project: Project, arguments: Mapping[str, Any]) -> PlanFacts:
    """The plan that these arguments of ``start_rollout`` would give."""
    told = churnkit.preview_rollout(
        project,
        arguments.get("challenger"),
        plan=arguments.get("plan"),
        customers=arguments.get("customers"),
        predictions_per_day=arguments.get("predictions_per_day"),
    )
    return PlanFacts.of(told.to_json())
