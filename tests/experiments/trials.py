"""A world in which an experiment's customers enter day by day, and leave when they are to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from churnkit.domain.outcomes import Outcome
from churnkit.domain.predictions import PredictionRow, prediction_ids
from churnkit.ledger.outcomes import record_outcomes
from churnkit.project import Project
from churnkit.usecases.experiments.assigning import assign_experiment
from tests.rollout.worlds import HORIZON, START

OFFER = {
    "arms": [
        {"name": "control", "weight": 0.5},
        {"name": "call", "weight": 0.5, "offer": "a call", "cost": 2.0},
    ],
    "outcomes": ["retention", "revenue", "time_to_churn"],
    "revenue_cap": 100.0,
}


@dataclass
class Trial:
    """Customers enter an experiment of treatments; an arm changes the log odds of leaving."""

    project: Project
    effects: Mapping[str, float] = field(default_factory=dict)
    """By arm, on the log odds of leaving."""
    per_day: int = 100
    seed: int = 1
    day: int = 0
    lost: Callable[[str], bool] = lambda _: False
    """Whose outcome never comes, by arm."""
    waiting: list[tuple[datetime, list[Outcome]]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The present."""
        return START + timedelta(days=self.day)

    def pass_day(self, *, enter: bool = True) -> None:
        """Some are scored and enter; outcomes that are due come in."""
        self.day += 1
        rng = np.random.default_rng([self.seed, self.day])
        at = self.now - timedelta(hours=6)
        if enter:
            logit = rng.normal(-1.3, 1.4, self.per_day)
            names = [f"{self.seed}-{self.day}-{i}" for i in range(self.per_day)]
            seen = 1 / (1 + np.exp(-(logit + rng.normal(0, 0.8, self.per_day))))
            self.project.ledger.record_predictions(
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
            drawn = assign_experiment(self.project, None, names, now=at)
            arms = {one.customer_id: one.arm for one in drawn.entries}
            shift = np.array([self.effects.get(arms[name], 0.0) for name in names])
            leaves = rng.random(self.per_day) < 1 / (1 + np.exp(-(logit + shift)))
            when = rng.uniform(0, HORIZON, self.per_day)
            outcomes = []
            for name, gone, days in zip(names, leaves.tolist(), when.tolist(), strict=True):
                if self.lost(arms[name]):
                    continue
                outcomes.append(
                    Outcome(
                        customer_id=name,
                        churned=gone,
                        source="test",
                        observed_from=at - timedelta(seconds=1),
                        observed_to=None if gone else at + timedelta(days=HORIZON),
                        churned_at=at + timedelta(days=days) if gone else None,
                        value=80.0,
                    )
                )
            self.waiting.append((at, outcomes))
        self._deliver()

    def _deliver(self) -> None:
        """Who left is known on the next day, who stayed at the end."""
        now, late = self.now, timedelta(hours=1)
        due: list[Outcome] = []
        rest: list[tuple[datetime, list[Outcome]]] = []
        for at, outcomes in self.waiting:
            ends = [one.churned_at or at + timedelta(days=HORIZON) for one in outcomes]
            told = [end <= now - late for end in ends]
            due += [one for one, is_told in zip(outcomes, told, strict=True) if is_told]
            kept = [one for one, is_told in zip(outcomes, told, strict=True) if not is_told]
            if kept:
                rest.append((at, kept))
        if due:
            record_outcomes(self.project.ledger.engine, due, now=now)
        self.waiting = rest

    def pass_days(self, days: int, *, enter: bool = True) -> None:
        """Several of them."""
        for _ in range(days):
            self.pass_day(enter=enter)
