"""History as evidence: only dates whose labels were decided after both models were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

import churnkit as ck
from churnkit import errors
from churnkit.data.samples.locate import cdnow_path
from churnkit.ledger.tables import model_versions
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import advance_rollout, rollout_status

CUSTOMERS, HORIZON = 1_200, 60
MADE = datetime(1997, 9, 10, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> ck.Project:
    """A log with two models that were made in the middle of it."""
    lines = cdnow_path().read_text(encoding="utf-8").splitlines(keepends=True)
    some = [row for row in lines[1:] if int(row.split()[0]) <= CUSTOMERS]
    log = tmp_path / "purchases.txt"
    log.write_text(lines[0] + "".join(some), encoding="utf-8", newline="")
    options = ck.LogOptions(horizon_days=HORIZON)
    project = ck.create_event_project(tmp_path / "cdnow", log, options).project
    dates = ("1997-05-01", "1997-06-15", "1997-09-01")
    training = project.settings.training.model_copy(
        update={"candidates": ("logistic_regression",), "budget_seconds": 1.0}
    )
    project.settings = project.settings.model_copy(
        update={
            "churn": project.settings.churn.model_copy(update={"as_of": dates}),
            "training": training,
        }
    )
    for seed in (1, 2):
        ck.train(project, seed=seed, mirror=False)
    with project.ledger.writing() as connection:
        connection.execute(sa.update(model_versions).values(created_at=MADE))
    return project


@pytest.mark.long
def test_only_fresh_dates_count_and_each_customer_once(project: ck.Project) -> None:
    start = datetime(1997, 12, 20, tzinfo=UTC)
    with project:
        start_rollout(project, plan={"accept_history": True}, now=start)
        looked = advance_rollout(project, now=start + timedelta(hours=1))
        known = rollout_status(project).evidence
        assert known.fresh_from == MADE - timedelta(days=HORIZON)
        assert known.live.n == 0
        assert known.history is not None
        assert known.history_until is not None
        # The latest fresh date at the stride that has matured, and no later one.
        dates = [
            known.fresh_from + timedelta(days=1 + 30 * i)
            for i in range(10)
            if known.fresh_from + timedelta(days=1 + 30 * i + HORIZON) <= start
        ]
        assert known.history_until == dates[-1]
        assert known.history.n == CUSTOMERS  # all are eligible at the first date
        assert known.history.repeated == (len(dates) - 1) * CUSTOMERS
        assert looked.decision is not None
        streams = {(one.role, one.metric, one.stream) for one in looked.decision.readings}
        assert ("gate", "profit", "history") in streams
        (alpha,) = {one.alpha for one in looked.decision.readings if one.role == "gate"}
        assert alpha == pytest.approx(0.05 * 6 / np.pi**2 / 2)  # two streams share the budget
        # Looking again adds nothing; a replica that has no log keeps what is known.
        advance_rollout(project, now=start + timedelta(hours=2))
        advance_rollout(project, now=start + timedelta(days=40), past=False)
        assert rollout_status(project).evidence.history == known.history
        advance_rollout(project, now=start + timedelta(days=41))
        again = rollout_status(project).evidence.history
        assert again is not None
        assert again.n == CUSTOMERS
        assert again.repeated > known.history.repeated


def test_a_project_without_a_log_has_no_history(served_folder: Path, tmp_path: Path) -> None:
    from tests.rollout.worlds import START, world_project

    with (
        world_project(served_folder, tmp_path / "world") as project,
        pytest.raises(errors.PlanInvalid, match="no log of events"),
    ):
        start_rollout(project, plan={"accept_history": True}, now=START)
