"""Some simulated weeks of an experiment, to look at: a call keeps some of those who would leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from churnkit.domain.outcomes import Outcome
from churnkit.domain.predictions import PredictionRow, prediction_ids
from churnkit.project import Project
from churnkit.usecases.experiments.assigning import assign_experiment
from churnkit.usecases.experiments.verbs import experiment_status, start_experiment
from churnkit.usecases.experiments.views import ExperimentView
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.outcomes.verbs import take_outcomes

PLAN = {
    "arms": [
        {"name": "control", "weight": 0.5},
        {"name": "call", "weight": 0.5, "offer": "a call and 10 % off", "cost": 2.0},
    ],
    "outcomes": ["retention", "revenue", "time_to_churn"],
    "revenue_cap": 100.0,
    "population": "customers with a monthly contract",
}
EFFECT = -0.5
"""Of the call, on the log odds of leaving."""
REVENUE = 80.0


def demo_experiment(
    project: Project, *, days: int = 45, per_day: int = 150, now: datetime | None = None
) -> ExperimentView:
    """Let simulated customers enter day by day until now, and tell what became of them.

    Parameters
    ----------
    days : for so long customers have entered
    per_day : so many of them
    now : None: the present
    """
    end = now or datetime.now(UTC)
    horizon = label_spans(project).days_to_mature
    begin = end - timedelta(days=days)
    start_experiment(project, PLAN, why="does a call keep them?", who="demo", now=begin)
    rng = np.random.default_rng(5)
    outcomes: list[Outcome] = []
    for day in range(days):
        at = begin + timedelta(days=day, hours=6)
        logit = rng.normal(-1.3, 1.4, per_day)
        names = [f"x{day:03d}-{i:04d}" for i in range(per_day)]
        seen = 1 / (1 + np.exp(-(logit + rng.normal(0, 0.8, per_day))))
        project.ledger.record_predictions(
            PredictionRow(
                prediction_id=prediction_id,
                customer_id=name,
                model_version="v1",
                probability=float(p),
                risk_band="low",
                made_at=at - timedelta(hours=1),
            )
            for prediction_id, name, p in zip(prediction_ids(at), names, seen, strict=False)
        )
        drawn = assign_experiment(project, None, names, who="demo", now=at)
        arms = {one.customer_id: one.arm for one in drawn.entries}
        shift = np.array([EFFECT if arms[name] == "call" else 0.0 for name in names])
        leaves = rng.random(per_day) < 1 / (1 + np.exp(-(logit + shift)))
        when = rng.uniform(0, horizon, per_day)
        for name, gone, after in zip(names, leaves.tolist(), when.tolist(), strict=True):
            left = at + timedelta(days=after)
            stayed = at + timedelta(days=horizon)
            if (left if gone else stayed) > end:
                continue
            outcomes.append(
                Outcome(
                    customer_id=name,
                    churned=gone,
                    source="simulated",
                    observed_from=at - timedelta(seconds=1),
                    observed_to=None if gone else stayed,
                    churned_at=left if gone else None,
                    value=REVENUE,
                )
            )
    take_outcomes(project, outcomes, now=end, skip=False)
    return experiment_status(project, now=end)
