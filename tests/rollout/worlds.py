"""A world whose customers are known: two models score them, outcomes come when they are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from churnkit.data.simulate_pairs import simulate_pairs
from churnkit.domain.outcomes import Outcome
from churnkit.domain.predictions import PredictionRow, prediction_ids
from churnkit.ledger.outcomes import record_outcomes
from churnkit.project import Project, open_project
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.operating.online import open_for_service
from churnkit.usecases.rollouts.arms import CHALLENGER, CHAMPION, running_arms
from tests.copies import copy_project

START = datetime(2031, 3, 1, 9, tzinfo=UTC)
"""After the models were made: what they may have learnt from is no evidence."""
HORIZON = 10


def world_project(served: Path, folder: Path, ledger_url: str = "") -> Project:
    """A project with a champion (v1) and a challenger (v2) whose horizon is 10 days."""
    copy_project(served, folder)
    if ledger_url and not ledger_url.startswith("sqlite"):
        with open_for_service(folder, ledger_url) as target:
            publish(folder, target)
    project = open_project(folder)
    settings = project.settings
    changed: dict[str, Any] = {
        "churn": settings.churn.model_copy(update={"horizon_days": HORIZON}),
        "rollout": settings.rollout.model_copy(
            # Scores of simulated pairs are not those of the models that are named.
            update={"minimum_customers": 300, "score_drift": "show"}
        ),
    }
    if ledger_url and not ledger_url.startswith("sqlite"):
        changed["ledger"] = settings.ledger.model_copy(update={"url": ledger_url})
    project.settings = settings.model_copy(update=changed)
    return project


@dataclass
class World:
    """Customers come day by day; each comes once."""

    project: Project
    noise: float
    """Of the challenger: below 1.2 it is better than the champion."""
    seed: int = 1
    per_day: int = 200
    day: int = 0
    waiting: list[tuple[datetime, list[str], list[bool]]] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The present."""
        return START + timedelta(days=self.day)

    def pass_day(self, *, fails: Callable[[str], bool] = lambda _: False) -> None:
        """Score the day's customers with both models, and record what became due."""
        self.day += 1
        made = simulate_pairs(
            self.per_day,
            np.random.default_rng([self.seed, self.day]),
            challenger_noise=self.noise,
        )
        names = [f"{self.seed}-{self.day}-{i}" for i in range(self.per_day)]
        at = self.now - timedelta(hours=6)
        arms = running_arms(self.project)
        ids = prediction_ids(at)
        rows: list[PredictionRow] = []
        for i, name in enumerate(names):
            scores = {CHAMPION: made.champion[i], CHALLENGER: made.challenger[i]}
            arm = CHAMPION if arms is None else arms.assignment.arm(name)
            answer = _row(next(ids), name, arm, scores[arm], at, arms and arms.rollout_id)
            rows.append(answer)
            if arms is not None and not fails(name):
                other = CHAMPION if arm == CHALLENGER else CHALLENGER
                shadow = _row(next(ids), name, other, scores[other], at, arms.rollout_id)
                rows.append(shadow.model_copy(update={"shadow_of": answer.prediction_id}))
        self.project.ledger.record_predictions(rows)
        self.waiting.append((at, names, made.left.tolist()))
        self.tell_due()

    def tell_due(self) -> None:
        """Record the outcomes whose window closed."""
        due = self.now - timedelta(days=HORIZON)
        while self.waiting and self.waiting[0][0] + timedelta(days=1) <= due:
            at, names, left = self.waiting.pop(0)
            rows = [
                Outcome(customer_id=name, churned=gone, source="simulated", as_of=at)
                for name, gone in zip(names, left, strict=True)
            ]
            record_outcomes(self.project.ledger.engine, rows, now=self.now)

    def days(self, n: int) -> Iterator[datetime]:
        """So many days, one after the other."""
        for _ in range(n):
            self.pass_day()
            yield self.now


def _row(
    name: str, customer: str, arm: str, p: float, at: datetime, rollout: str | None
) -> PredictionRow:
    return PredictionRow(
        prediction_id=name,
        customer_id=customer,
        model_version="v2" if arm == CHALLENGER else "v1",
        probability=float(p),
        risk_band="low",
        variant=arm,
        made_at=at,
        rollout_id=rollout,
    )
