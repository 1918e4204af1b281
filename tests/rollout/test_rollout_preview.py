"""A plan that is looked at is the plan that is started, and looking starts nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import churnkit as ck
from churnkit.errors import PlanInvalid, StepNotAllowed
from tests.rollout.worlds import START, world_project

PLAN = {"gates": [{"metric": "profit", "expected_gain": 0.8, "expected_sd": 9.0}]}


def test_what_is_previewed_is_what_is_started(served_folder: Path, tmp_path: Path) -> None:
    with world_project(served_folder, tmp_path / "world") as project:
        told = {"plan": PLAN, "customers": 20_000, "predictions_per_day": 300.0, "now": START}
        seen = ck.preview_rollout(project, **told)  # type: ignore[arg-type]
        assert ck.list_rollouts(project).rows == ()
        started = ck.start_rollout(project, **told).to_json()  # type: ignore[arg-type]
        shown = seen.to_json()
        assert {key: started[key] for key in shown} == shown
        assert "nothing was started" in str(seen)
        ck.abort_rollout(project, why="again")
        assert ck.preview_rollout(project).row.attempt == 2
        with pytest.raises(StepNotAllowed):
            ck.preview_rollout(project, "v1")
        with pytest.raises(PlanInvalid):
            ck.preview_rollout(project, plan={"no_such_key": 1})
