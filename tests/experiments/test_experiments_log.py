"""Experiments in a project of events: outcomes come from the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from churnkit.project import Project
from churnkit.usecases.experiments.assigning import assign_experiment
from churnkit.usecases.experiments.verbs import experiment_status, start_experiment
from churnkit.usecases.outcomes.verbs import import_outcomes
from tests.data.event_logs import import_into, log_settings, written
from tests.experiments.trials import OFFER
from tests.outcomes.projects import DAY


def test_entries_have_outcomes_from_the_log_without_any_prediction(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    start = datetime(2025, 3, 1, tzinfo=UTC)
    lines = ["customer,time,type,amount"]
    for name in range(200):
        days = [0.5, *np.sort(rng.uniform(0, 200, rng.integers(0, 12)))]
        lines += [f"c{name},{(start + float(day) * DAY).isoformat()},buy,1" for day in days]
    lines.append(f"c0,{(start + 220 * DAY).isoformat()},buy,1")
    settings = log_settings("Europe/Berlin", {"churn": {"horizon_days": 30}})
    import_into(tmp_path, settings, written(tmp_path / "log.csv", *lines))
    project = Project(tmp_path, settings)
    entered = start + 100 * DAY
    plan = {**OFFER, "outcomes": ["retention", "time_to_churn"]}
    start_experiment(project, plan, now=entered)
    names = [f"c{name}" for name in range(200)]
    assign_experiment(project, "e1", names, now=entered)
    now = start + 200 * DAY
    done = import_outcomes(project, from_log=True, now=now)
    assert done.recorded.n_new == 200
    assert "Predictions and entries whose outcome" in str(done)
    seen = experiment_status(project, now=now).status
    assert seen.matured_until is not None
    assert seen.effects[0].n == 200
    # Who is no longer active is known at the end of his window only.
    assert seen.hazards[0].events > 20
    assert any("on a day that no outcome names" in note for note in seen.notes)
    before = experiment_status(project, now=entered + 20 * DAY).status
    assert (before.effects[0].n, before.hazards[0].events) == (0, 0)
