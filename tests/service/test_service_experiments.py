"""Experiments over HTTP: the verbs, who answers whom, and what excludes a rollout."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from churnkit import errors
from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.ledger.tables import predictions, treatments
from tests.copies import copy_project
from tests.live import Live, item, live

OFFER = {
    "arms": [
        {"name": "control", "weight": 0.5},
        {"name": "call", "weight": 0.5, "offer": "a call"},
    ]
}
MODELS = {
    "kind": "models",
    "arms": [
        {"name": "now", "weight": 0.6, "model": "v1"},
        {"name": "new", "weight": 0.4, "model": "v2"},
    ],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def tried(request: pytest.FixtureRequest, served_folder: Path, tmp_path: Path) -> Iterator[Live]:
    """A service whose experiments are this test's own."""
    if request.param == "sqlite":
        folder = tmp_path / "project"
        copy_project(served_folder, folder)
        with live(folder, reload_seconds=0.05) as running:
            yield running
    else:
        url = str(request.getfixturevalue("postgres_url"))
        with live(served_folder, url, reload_seconds=0.05) as running:
            yield running


def _client(served: Live) -> Client:
    return Client(served.url, key=served.keys["all"], patience_seconds=5)


def _until(holds: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def test_treatments_from_plan_to_history(tried: Live) -> None:
    names = [f"c{i}" for i in range(400)]
    with _client(tried) as client:
        sizes = client.plan_experiment(OFFER, retention=0.75, correlation=0.4, simulations=200)
        assert {(one.method, one.adjusted) for one in sizes.sizes} == {
            ("fixed", False), ("fixed", True), ("sequential", False), ("sequential", True),
        }  # fmt: skip
        begun = client.start_experiment(OFFER, why="does a call help?", idempotency_key="k1")
        again = client.start_experiment(OFFER, why="does a call help?", idempotency_key="k1")
        assert again.experiment_id == begun.experiment_id == "e1"
        drawn = client.assign_experiment("e1", names)
        assert (drawn.n_new, sum(drawn.counts.values())) == (400, 400)
        repeated = client.assign_experiment("e1", names[:10])
        assert (repeated.n_new, repeated.n_known) == (0, 10)
        assert repeated.entries == drawn.entries[:10]
        seen = client.experiment("e1")
        assert {arm.arm: arm.entered for arm in seen.arms} == drawn.counts
        assert seen.effects[0].state == "open"
        assert seen.effects[0].estimate is None
        stopped = client.stop_experiment("e1", "seen enough")
        assert stopped.condition == "stopped"
        assert [one.experiment_id for one in client.experiments().experiments] == ["e1"]
        steps = client.experiment_history("e1").steps
        assert [step.action for step in steps] == ["start", "assign", "stop"]
        with pytest.raises(errors.ServiceRefused, match="stopped"):
            client.assign_experiment("e1", ["later"])
        with pytest.raises(errors.ServiceRefused, match="no experiment"):
            client.experiment("e7")
    with tried.service.project.ledger.reading() as connection:
        rows = connection.execute(sa.select(treatments)).mappings().all()
    assert len(rows) == 400
    assert {row["assignment_probability"] for row in rows} == {0.5}
    assert Counter(row["hold_out"] for row in rows) == {
        True: drawn.counts["control"], False: drawn.counts["call"],
    }  # fmt: skip


def test_customers_are_answered_by_the_model_of_their_arm(tried: Live) -> None:
    service = tried.service
    with _client(tried) as client:
        assert client.start_experiment(MODELS).versions == {"now": "v1", "new": "v2"}
        _until(lambda: service.rollouts.live)
        with pytest.raises(errors.ServiceRefused, match="has not been stopped"):
            client.start_rollout("v2")
        for first in range(0, 200, 50):
            asked = [{**item(), "customer_id": f"m{i}"} for i in range(first, first + 50)]
            told = tried.ask("POST", "/v1/predictions", {"items": asked}).json["predictions"]
            assert {(row["variant"], row["model_version"]) for row in told} == {
                ("champion", "v1"), ("challenger", "v2"),
            }  # fmt: skip
        seen = client.experiment("e1")
        entered = {arm.arm: arm.entered for arm in seen.arms}
        assert sum(entered.values()) == 200
        assert 45 < entered["new"] < 115
        assert not seen.ratio.mismatch
        client.stop_experiment("e1", "a test")
        _until(lambda: service.rollouts.live is None)
        assert client.start_rollout("v2").rollout_id == "r1"
        with pytest.raises(errors.ServiceRefused, match="has not ended"):
            client.start_experiment(MODELS)
    with service.project.ledger.reading() as connection:
        rows = connection.execute(
            sa.select(predictions.c.variant, sa.func.count().label("n"))
            .where(predictions.c.rollout_id == "e1", predictions.c.shadow_of.is_(None))
            .group_by(predictions.c.variant)
        ).all()
    assert {row.variant: row.n for row in rows} == {
        "champion": entered["now"], "challenger": entered["new"],
    }  # fmt: skip


def test_the_asynchronous_client_says_the_same(served_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)

    async def ask(served: Live) -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as client:
            await client.start_experiment(OFFER)
            await client.assign_experiment("e1", ["a", "b"])
            assert (await client.experiment("e1")).condition == "running"
            assert len((await client.experiments()).experiments) == 1
            await client.plan_experiment(retention=0.8, simulations=50)
            await client.stop_experiment("e1", "a test")
            assert len((await client.experiment_history("e1")).steps) == 3

    with live(folder) as served:
        asyncio.run(ask(served))
