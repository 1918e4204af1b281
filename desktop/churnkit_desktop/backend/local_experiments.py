"""Experiments of a project folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import churnkit
from churnkit.project import Project
from churnkit_desktop.backend.experiment_facts import (
    ExperimentFacts,
    ExperimentLine,
    ExperimentPlanFacts,
)


def experiments(project: Project) -> tuple[ExperimentLine, ...]:
    """All of them, the oldest first."""
    listed = churnkit.experiments(project).to_json()["experiments"]
    assert isinstance(listed, list)
    return tuple(ExperimentLine.of(told) for told in listed)


def experiment(project: Project, experiment_id: str) -> ExperimentFacts:
    """One of them, with its readings."""
    told = churnkit.experiment_status(project, experiment_id).to_json()
    steps = churnkit.experiment_history(project, experiment_id).to_json()["steps"]
    assert isinstance(steps, list)
    return ExperimentFacts.of(told, steps)


def plan_experiment(project: Project, arguments: Mapping[str, Any]) -> ExperimentPlanFacts:
    """The sizes that these arguments of ``plan_experiment`` give."""
    return ExperimentPlanFacts.of(churnkit.plan_experiment(project, **arguments).to_json())
