"""Requests about experiments (A/B)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from churnkit.client.call import Call, new_key
from churnkit.client.messages.experiments import (
    Experiment,
    ExperimentAssign,
    ExperimentAssigned,
    ExperimentHistoryAnswer,
    ExperimentsAnswer,
    ExperimentSizes,
    ExperimentSizesAsked,
    ExperimentStart,
    ExperimentStop,
)
from churnkit.domain.experiments import ExperimentPlan

Plan = ExperimentPlan | Mapping[str, Any]


def start_experiment(
    plan: Plan, *, why: str = "", idempotency_key: str | None = None
) -> Call[Experiment]:
    """Fix a plan; from now on customers may enter.

    Parameters
    ----------
    plan : arms with weights, outcomes, error budgets
    idempotency_key : the same key does the same work once; None: a new one
    """
    body = ExperimentStart(plan=ExperimentPlan.model_validate(plan), why=why)
    key = idempotency_key or new_key()
    return Call("POST", "/v1/experiments", Experiment, body=body, idempotency_key=key)


def experiments() -> Call[ExperimentsAnswer]:
    """All of them, the oldest first."""
    return Call("GET", "/v1/experiments", ExperimentsAnswer)


def experiment(experiment_id: str) -> Call[Experiment]:
    """One of them, with what may be read off it now."""
    return Call("GET", _path(experiment_id), Experiment)


def experiment_history(experiment_id: str) -> Call[ExperimentHistoryAnswer]:
    """What was done with it, by whom and why."""
    return Call("GET", f"{_path(experiment_id)}/history", ExperimentHistoryAnswer)


def assign_experiment(experiment_id: str, customers: Sequence[str]) -> Call[ExperimentAssigned]:
    """Draw customers into the arms; who is in it already keeps his arm."""
    body = ExperimentAssign(customers=tuple(customers))
    return Call("POST", f"{_path(experiment_id)}/assign", ExperimentAssigned, body=body)


def stop_experiment(experiment_id: str, why: str) -> Call[Experiment]:
    """Let nobody enter any more; who is in it is followed until his outcome has matured."""
    body = ExperimentStop(why=why)
    return Call("POST", f"{_path(experiment_id)}/stop", Experiment, body=body)


def plan_experiment(
    plan: Plan | None = None,
    *,
    effect: float | None = None,
    retention: float | None = None,
    power: float = 0.8,
    correlation: float | None = None,
    customers_per_day: float | None = None,
    simulations: int = 1_000,
) -> Call[ExperimentSizes]:
    """How many customers, and how long, an experiment takes; nothing is started.

    Parameters
    ----------
    plan : None: two arms of equal weight
    effect, retention, correlation, customers_per_day : None: as the plan says, or as has matured
    """
    body = ExperimentSizesAsked(
        plan=None if plan is None else ExperimentPlan.model_validate(plan),
        effect=effect,
        retention=retention,
        power=power,
        correlation=correlation,
        customers_per_day=customers_per_day,
        simulations=simulations,
    )
    return Call("POST", "/v1/experiment-plans", ExperimentSizes, body=body)


def _path(experiment_id: str) -> str:
    return f"/v1/experiments/{quote(experiment_id, safe='')}"
