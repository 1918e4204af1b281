"""A rollout that is killed between any two steps is whole, and doing it again ends it."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from churnkit.project import Project
from churnkit.settings.file import write_settings
from churnkit.usecases.models.verbs import journal, list_models, verify_models
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import (
    abort_rollout,
    advance_rollout,
    promote_rollout,
    rollout_history,
    rollout_status,
)
from tests.rollout.worlds import World, world_project

KILLED = Path(__file__).with_name("killed_rollout.py")
PLAN = {
    "stages": [
        {"name": "shadow", "share": 0.0, "minimum_customers": 50},
        {"name": "25 %", "share": 0.25, "minimum_customers": 1},
    ]
}


class Dying:
    """The same step again and again, killed one statement later each time."""

    def __init__(self, project: Project, now: datetime, what: str) -> None:
        url = project.settings.ledger.url
        self._process = subprocess.Popen(
            [sys.executable, str(KILLED), str(project.folder), url, now.isoformat(), what, "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def killed(self) -> bool:
        """Whether it was killed this time; False: all of it was done."""
        assert self._process.stdout is not None
        number, code = self._process.stdout.readline().split()
        assert code in ("9", "0"), (number, code)
        return code == "9"

    def again(self) -> None:
        """Once more, killed one statement later."""
        assert self._process.stdin is not None
        self._process.stdin.write("go on\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """It has done all."""
        self._process.communicate(timeout=30)


def _consistent(project: Project, done: tuple[str, ...], what: str) -> bool:
    """All of the step, or nothing of it; whether it was done."""
    actions = tuple(step.action for step in rollout_history(project).steps)
    row = rollout_status(project).row
    said = [entry.action for entry in journal(project).entries if entry.action != "retire"][2:]
    assert said == list(actions)
    champion = list_models(project).holders["champion"]
    assert champion == ("v2" if actions[-1] == "promote" else "v1")
    assert row.outcome == {"promote": "promoted", "abort": "aborted"}.get(actions[-1])
    assert actions in (done, (*done, what))
    assert row.revision == len(actions)
    return actions != done


CASES = [
    pytest.param("sqlite", "promote"),
    pytest.param("postgresql", "advance"),
    *(
        pytest.param(database, what, marks=pytest.mark.long)
        for database, what in (
            ("sqlite", "advance"),
            ("sqlite", "abort"),
            ("postgresql", "promote"),
            ("postgresql", "abort"),
        )
    ),
]


@pytest.mark.parametrize(("database", "what"), CASES)
def test_killed_between_any_two_steps(
    request: pytest.FixtureRequest,
    served_folder: Path,
    tmp_path: Path,
    database: str,
    what: str,
) -> None:
    url = "" if database == "sqlite" else str(request.getfixturevalue("postgres_url"))
    with world_project(served_folder, tmp_path / "world", url) as project:
        write_settings(project.folder, project.settings)
        world = World(project, noise=1.0, per_day=60)
        start_rollout(project, plan=PLAN, now=world.now)
        world.pass_day()
        now = world.now + timedelta(minutes=5)
        dying = Dying(project, now, what)
        kills, was_done = 0, False
        while dying.killed():
            kills += 1
            assert kills < 200
            was_done = _consistent(project, ("start",), what)
            if was_done:
                break  # killed after the commit: what follows only tells others of it
            assert rollout_status(project).evidence.live.n == 0
            dying.again()
        dying.close()
        assert kills >= 4  # the rollout's row, its step, the journal, the commit
        assert _consistent(project, ("start",), what)
        assert verify_models(project).ok
        # Doing it again changes nothing more.
        if what == "promote":
            promote_rollout(project, why="again", now=now)
        elif what == "abort":
            abort_rollout(project, why="again", now=now)
        else:
            advance_rollout(project, now=now)
        assert _consistent(project, ("start",), what)
