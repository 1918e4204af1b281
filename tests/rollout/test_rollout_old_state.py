"""A rollout that was running when churnkit was upgraded goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnkit.ledger.tables import rollouts
from churnkit.project import Project
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import advance_rollout, rollout_status
from tests.rollout.worlds import HORIZON, START, World, world_project


@pytest.fixture(params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest, served_folder: Path, tmp_path: Path
) -> Iterator[Project]:
    url = str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""
    with world_project(served_folder, tmp_path / "world", url) as opened:
        yield opened


def _make_old(project: Project, *fields: str) -> None:
    """Take fields out of the stored evidence, as a version wrote it that did not have them."""
    with project.ledger.writing() as connection:
        kept = json.loads(connection.execute(sa.select(rollouts.c.evidence)).scalar_one())
        for name in fields:
            del kept[name]
        connection.execute(sa.update(rollouts).values(evidence=json.dumps(kept)))


def test_days_from_before_an_upgrade_are_taken_in_when_they_are_due(project: Project) -> None:
    world = World(project, noise=1.0, per_day=50)
    start_rollout(project, plan={"gates": [{"metric": "profit"}]}, now=world.now)
    for now in world.days(3):
        advance_rollout(project, now=now)
    _make_old(project, "earliest", "exposed")
    asked: list[str] = []

    def hear(*given: object) -> None:
        if "min(coalesce" in str(given[2]):
            asked.append(str(given[2]))

    sa.event.listen(project.ledger.engine, "before_cursor_execute", hear)
    for now in world.days(HORIZON - 2):
        advance_rollout(project, now=now)
        known = rollout_status(project).evidence
        assert known.earliest == START + timedelta(days=1, hours=-6)
    first = world.now
    sa.event.remove(project.ledger.engine, "before_cursor_execute", hear)
    assert len(asked) == 1, "the unknown is asked for once"
    assert known.live.n == 0
    # The first three days are due one after the other, as without the upgrade.
    for day, now in enumerate(world.days(3), start=1):
        assert now == first + timedelta(days=day)
        advance_rollout(project, now=now)
        assert rollout_status(project).evidence.live.n == day * world.per_day
