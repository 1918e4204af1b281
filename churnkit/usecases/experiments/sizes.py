"""How many customers, and how long, an experiment takes, before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from churnkit.domain.experiments import ExperimentPlan, SamplePlan, SampleSize
from churnkit.errors import PlanInvalid
from churnkit.ledger.rollout_counts import recent_load
from churnkit.project import Project
from churnkit.rollout.sample_size import (
    Scenario,
    SequentialSize,
    fixed_size,
    sequential_size,
)
from churnkit.usecases.experiments.plans import AskedPlan, read_experiment_plan
from churnkit.usecases.experiments.views import PlannedExperiment
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.outcomes.maturing import matured_pairs

_LOAD_DAYS = 30
_FEWEST = 50
_SMALLEST = 0.0005
MOST_SIMULATIONS = 20_000


def plan_experiment(
    project: Project,
    plan: AskedPlan | None = None,
    *,
    effect: float | None = None,
    retention: float | None = None,
    power: float = 0.8,
    correlation: float | None = None,
    customers_per_day: float | None = None,
    simulations: int = 2_000,
    now: datetime | None = None,
) -> PlannedExperiment:
    """Sizes by the fixed-sample and the sequential method, with and without CUPED.

    Parameters
    ----------
    plan : the experiment's plan; None: two arms of equal weight
    effect : the gain in the share who stay that shall be found; None: the plan's smallest one
    retention : of the control, in (0, 1); None: as in the matured predictions
    power : probability of finding it, in (0, 1)
    correlation : between churn score and outcome; None: as in the matured predictions
    customers_per_day : who enter; None: as many as were scored a day lately
    simulations : experiments for each sequential size

    Raises
    ------
    PlanInvalid : a number cannot be used, or is neither told nor known
    """
    at = now or datetime.now(UTC)
    chosen = read_experiment_plan(plan) if plan is not None else _even()
    found = effect if effect is not None else chosen.smallest_effect
    _check(power=power, simulations=simulations, correlation=correlation, per_day=customers_per_day)
    known = _matured(project, at) if retention is None or correlation is None else None
    base, told = retention, correlation
    source = "told"
    if told is None:
        told, source = (known[1], "measured on matured predictions") if known else (0.0, "unknown")
    if base is None:
        if known is None:
            raise PlanInvalid(
                "the share who stay is not known: too few predictions have matured.",
                fix="Tell it, such as --retention 0.75.",
                key="retention",
            )
        base = known[0]
    if not (0 < base < 1) or not (0 < base + found < 1) or abs(found) < _SMALLEST:
        raise PlanInvalid(
            f"an effect of {found:+g} on a share of {base:g} leaves (0, 1), or is next to none.",
            fix="Both the share who stay and the share with the effect must be between 0 and 1; "
            f"the effect at least {_SMALLEST:g}.",
            key="effect",
        )
    per_day = customers_per_day or _per_day(project, at)
    days = label_spans(project).days_to_mature
    return PlannedExperiment(
        SamplePlan(
            retention=base,
            effect=found,
            alpha=chosen.alpha_each,
            power=power,
            correlation=told,
            correlation_from=source,
            customers_per_day=per_day,
            days_to_mature=days,
            sizes=tuple(_sizes(chosen, base, found, power, told, per_day, days, simulations)),
            simulated=simulations,
        )
    )


def _sizes(
    plan: ExperimentPlan,
    retention: float,
    effect: float,
    power: float,
    correlation: float,
    per_day: float | None,
    days_to_mature: float,
    simulations: int,
) -> Sequence[SampleSize]:
    sizes = []
    known: dict[Scenario, tuple[int, SequentialSize]] = {}
    for arm in plan.arms[1:]:
        both = arm.weight + plan.control.weight
        share = arm.weight / both

        def lasting(n: int | None, both: float = both) -> float | None:
            # Customers of further arms enter meanwhile, too.
            return None if n is None or not per_day else n / both / per_day + days_to_mature

        for adjusted in (False, True):
            scenario = Scenario(
                retention=retention,
                effect=effect,
                share=share,
                alpha=plan.alpha_each,
                power=power,
                correlation=correlation if adjusted else 0.0,
            )
            if scenario not in known:  # arms of equal weight take as many
                known[scenario] = (
                    fixed_size(scenario),
                    sequential_size(
                        scenario, smallest_effect=plan.smallest_effect, simulations=simulations
                    ),
                )
            fixed, sequential = known[scenario]
            for method, n, median in (
                ("fixed", fixed, fixed),
                ("sequential", sequential.customers, sequential.median),
            ):
                sizes.append(
                    SampleSize.model_validate(
                        {
                            "method": method,
                            "adjusted": adjusted,
                            "arm": arm.name,
                            "customers": n,
                            "control": None if n is None else math.ceil(n * (1 - share)),
                            "median": median,
                            "days": lasting(n),
                        }
                    )
                )
    return sizes


def _even() -> ExperimentPlan:
    return ExperimentPlan.model_validate(
        {"arms": [{"name": "control", "weight": 0.5}, {"name": "offer", "weight": 0.5}]}
    )


def _check(
    *, power: float, simulations: int, correlation: float | None, per_day: float | None
) -> None:
    if not 0.01 <= power <= 0.999:
        raise PlanInvalid("the power must be between 0.01 and 0.999.", key="power")
    if not 1 <= simulations <= MOST_SIMULATIONS:
        raise PlanInvalid(f"simulations must be 1 … {MOST_SIMULATIONS:,}.", key="simulations")
    if correlation is not None and not abs(correlation) <= 0.99:
        raise PlanInvalid("the correlation must be between -0.99 and 0.99.", key="correlation")
    if per_day is not None and not 0.001 <= per_day <= 1e12:
        raise PlanInvalid("customers_per_day must be 0.001 … 10¹².", key="customers_per_day")


def _matured(project: Project, now: datetime) -> tuple[float, float] | None:
    """Share who stayed, and how their scores went with it, each customer once."""
    pairs = matured_pairs(project, now=now)
    first = pairs.ordinal == 1
    stayed, score = ~pairs.churned[first], pairs.probability[first]
    if len(stayed) < _FEWEST or stayed.all() or not stayed.any():
        return None
    correlation = 0.0 if score.std() == 0 else float(np.corrcoef(score, stayed)[0, 1])
    return float(stayed.mean()), abs(correlation)


def _per_day(project: Project, now: datetime) -> float | None:
    """Customers a day who were scored lately, each once."""
    customers, _ = recent_load(
        project.ledger.engine, since=now - timedelta(days=_LOAD_DAYS), until=now
    )
    return customers / _LOAD_DAYS if customers else None
