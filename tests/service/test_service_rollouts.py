"""Rollouts over HTTP: the verbs, who answers whom, and the silent model that disturbs nobody."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from churnkit import errors
from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.ledger.tables import predictions, rollout_failures, rollout_windows
from churnkit.usecases.rollouts.arms import running_arms
from tests.copies import copy_project
from tests.live import Live, item, live
from tests.service.test_service_batches import as_csv, customers, ended, lines, result, upload

REPLICAS = "long"

QUICK = {"reload_seconds": 0.05}


@pytest.fixture(params=["sqlite", "postgresql"])
def rolled(request: pytest.FixtureRequest, served_folder: Path, tmp_path: Path) -> Iterator[Live]:
    """A service whose rollouts are this test's own."""
    if request.param == "sqlite":
        folder = tmp_path / "project"
        copy_project(served_folder, folder)
        with live(folder, **QUICK) as running:
            yield running
    else:
        url = str(request.getfixturevalue("postgres_url"))
        with live(served_folder, url, **QUICK) as running:
            yield running


@pytest.fixture
def embedded(served_folder: Path, tmp_path: Path) -> Iterator[Live]:
    """The same on SQLite only."""
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    with live(folder, **QUICK) as running:
        yield running


def _client(served: Live) -> Client:
    return Client(served.url, key=served.keys["all"], patience_seconds=5)


def _until(holds: Callable[[], Any], seconds: float = 15) -> Any:
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
    return found


def _rows(served: Live, table: sa.Table = predictions) -> list[sa.RowMapping]:
    assert served.service is not None
    with served.service.project.ledger.reading() as connection:
        return list(connection.execute(sa.select(table)).mappings())


def _shadows(served: Live) -> list[sa.RowMapping]:
    return [row for row in _rows(served) if row["shadow_of"] is not None]


def _started(served: Live, **asked: Any) -> str:
    with _client(served) as client:
        name = client.start_rollout(why="a test", **asked).rollout_id
    service = served.service
    assert service is not None
    _until(lambda: service.rollouts.live)
    return name


def test_the_verbs_of_a_rollout(rolled: Live) -> None:
    with _client(rolled) as client:
        begun = client.start_rollout(
            "v2", why="trained on a year more", customers=1_000, predictions_per_day=100
        )
        assert (begun.rollout_id, begun.champion, begun.challenger) == ("r1", "v1", "v2")
        assert (begun.condition, begun.stage, begun.share) == ("running", "shadow", 0.0)
        assert begun.forecast.reachable is not None
        assert begun.decision is None
        assert [one.rollout_id for one in client.rollouts().rollouts] == ["r1"]
        looked = client.advance_rollout("r1")
        assert not looked.acted
        assert looked.rollout.decision is not None
        assert looked.rollout.decision.verdict == "wait"
        assert looked.rollout.decision.readings[0].lower is not None
        paused = client.move_rollout("r1", "pause", why="a campaign", expected_revision=1)
        assert paused.condition == "paused"
        assert client.move_rollout("r1", "pause", why="again").revision == paused.revision
        with pytest.raises(errors.ServiceRefused, match="changed r1") as refused:
            client.move_rollout("r1", "resume", why="over", expected_revision=1)
        assert refused.value.where["status"] == 409
        client.move_rollout("r1", "resume", why="over", expected_revision=2)
        aborted = client.move_rollout("r1", "abort", why="a bug")
        assert aborted.outcome == "aborted"
        history = client.rollout_history("r1")
        assert [step.action for step in history.steps] == ["start", "pause", "resume", "abort"]
        assert history.steps[-1].who.startswith("API key ")
        assert client.rollout_evidence("r1").pairs == 0
        assert client.rollout("r1").evidence.pairs == 0
        with pytest.raises(errors.ServiceRefused) as unknown:
            client.rollout("r7")
        assert unknown.value.where["type"] == "/problems/unknown-rollout"


def test_the_asynchronous_client_has_the_same_verbs(embedded: Live) -> None:
    async def speak() -> None:
        async with AsyncClient(embedded.url, key=embedded.keys["all"]) as client:
            begun = await client.start_rollout(overrides={"A": "challenger"})
            assert (await client.rollouts()).rollouts[0].rollout_id == begun.rollout_id
            assert (await client.rollout("r1")).challenger == "v2"
            assert not (await client.advance_rollout("r1")).acted
            assert (await client.move_rollout("r1", "promote", why="it must")).share == 1.0
            assert len((await client.rollout_history("r1")).steps) == 2
            assert (await client.rollout_evidence("r1")).rollout_id == "r1"

    asyncio.run(speak())
    service = embedded.service
    assert service is not None
    # The promoted model serves without a restart.
    _until(lambda: service.champion.version == "v2")
    assert embedded.predict(item()).json["predictions"][0]["model_version"] == "v2"


def test_a_start_that_is_sent_twice_starts_once(rolled: Live) -> None:
    with _client(rolled) as client:
        first = client.start_rollout(why="x", idempotency_key="once")
        again = client.start_rollout(why="x", idempotency_key="once")
        assert again == first
        with pytest.raises(errors.ServiceRefused, match="has not ended"):
            client.start_rollout(why="x", idempotency_key="another")
        # Even where the answer was lost before it was kept.
        service = rolled.service
        assert service is not None
        with service.project.ledger.writing() as connection:
            connection.execute(sa.text("delete from idempotency"))
        assert client.start_rollout(why="x", idempotency_key="once").rollout_id == "r1"


def test_what_is_wrong_is_named(embedded: Live) -> None:
    def ask(body: Any, key: str = "all", path: str = "/v1/rollouts") -> tuple[int, str]:
        told = embedded.ask("POST", path, body, key=key)
        return told.status, told.kind

    assert ask({"plan": {"alpha_promote": 3}}) == (422, "plan-invalid")
    assert ask({"challenger": "v9"}) == (404, "unknown-model-version")
    assert ask({"challenger": "v1"}) == (409, "step-not-allowed")
    assert ask({"overrides": {"A": "both"}}) == (422, "request-invalid")
    assert ask({}, key="score")[0] == 403
    assert ask({}, key="read")[0] == 403
    assert ask({"why": "x"}, path="/v1/rollouts/r1/abort") == (404, "unknown-rollout")
    assert ask({}, path="/v1/rollouts/r1/abort") == (422, "request-invalid")
    assert ask({"why": " "}, path="/v1/rollouts/r1/abort") == (422, "request-invalid")


def test_both_models_score_each_request_and_one_answers(rolled: Live) -> None:
    named = {f"c{i}": "challenger" for i in range(0, 20, 3)}
    rollout = _started(rolled, overrides=named)
    service = rolled.service
    assert service is not None
    arms = running_arms(service.project)
    assert arms is not None
    answers = []
    for start in (0, 10):
        told = rolled.predict(*(item(f"c{i}") for i in range(start, start + 10)), reasons=1)
        assert told.status == 200
        answers += told.json["predictions"]
    assert [one["customer_id"] for one in answers] == [f"c{i}" for i in range(20)]
    for one in answers:
        arm = arms.assignment.arm(one["customer_id"])
        assert one["variant"] == arm == named.get(one["customer_id"], "champion")
        assert one["model_version"] == arms.version(arm)
        assert len(one["reasons"]) == 1
    rows = _until(lambda: len(found := _rows(rolled)) == 40 and found)
    by_id = {row["prediction_id"]: row for row in rows}
    shadows = [row for row in rows if row["shadow_of"] is not None]
    assert len(shadows) == 20
    for row in shadows:
        answer = by_id[row["shadow_of"]]
        assert row["customer_id"] == answer["customer_id"]
        assert row["rollout_id"] == answer["rollout_id"] == rollout
        assert {row["variant"], answer["variant"]} == {"champion", "challenger"}
        assert {row["model_version"], answer["model_version"]} == {"v1", "v2"}
        assert row["made_at"] == answer["made_at"]
    # Both models' probabilities of the same customer are those that each gives alone.
    alone = {row["model_version"]: row["probability"] for row in rows}
    assert alone["v1"] != alone["v2"]
    page = rolled.ask("GET", "/v1/predictions").json["predictions"]
    assert len(page) == 20  # shadows answered nobody


def test_one_row_is_answered_by_its_arm(embedded: Live) -> None:
    _started(embedded, overrides={"vip": "challenger"})
    assert embedded.predict(item("vip")).json["predictions"][0]["model_version"] == "v2"
    assert embedded.predict(item("other")).json["predictions"][0]["model_version"] == "v1"
    told = embedded.predict(item("vip"), item("bad", tenure="many"), on_error="skip").json
    assert [one["customer_id"] for one in told["predictions"]] == ["vip"]
    assert told["errors"][0]["field"] == "features.tenure"
    assert embedded.predict(item("vip", tenure="many")).kind == "request-invalid"


def test_a_challenger_that_fails_costs_nobody_his_answer(embedded: Live) -> None:
    _started(embedded, overrides={"vip": "challenger"})
    service = embedded.service
    assert service is not None
    running = service.rollouts.live
    assert running is not None

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError("a planted fault")

    running.challenger.score = fail  # type: ignore[method-assign]
    told = embedded.predict(item("vip"), item("other")).json["predictions"]
    assert [one["variant"] for one in told] == ["champion", "champion"]
    failures = _until(lambda: len(found := _rows(embedded, rollout_failures)) == 2 and found)
    assert {row["variant"] for row in failures} == {"challenger"}
    assert {row["prediction_id"] for row in failures} == {one["prediction_id"] for one in told}
    assert {row["why"] for row in failures} == {"RuntimeError"}


def test_a_slow_silent_model_keeps_nobody_waiting_and_is_shed(
    served_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    text = (folder / "churnkit.toml").read_text().replace("shadow_rows = 2000", "shadow_rows = 5")
    assert "shadow_rows = 5" in text
    (folder / "churnkit.toml").write_text(text)
    with live(folder, **QUICK) as served:
        _started(served)
        service = served.service
        assert service is not None
        running = service.rollouts.live
        assert running is not None
        score, go = running.challenger.score, threading.Event()

        def wait(*rows: Any, **options: Any) -> Any:
            go.wait(30)
            return score(*rows, **options)

        running.challenger.score = wait  # type: ignore[method-assign]
        for i in range(20):
            assert served.predict(item(f"c{i}")).status == 200
        assert not _shadows(served)
        go.set()
        _until(lambda: len(_shadows(served)) >= 5)
        metrics = served.ask("GET", "/metrics", key=None).content.decode()
        shed = next(
            float(line.rpartition(" ")[2])
            for line in metrics.splitlines()
            if line.startswith('churnkit_rollout_shadow_rows_total{outcome="shed"}')
        )
        assert shed >= 10
        _until(lambda: len(_shadows(served)) + shed == 20)
        assert 'churnkit_rollout_share_ratio{challenger="v2",rollout_id="r1"} 0.0' in metrics


def test_what_was_counted_is_kept_at_the_end(served_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    with live(folder, **QUICK) as served:
        _started(served)
        for i in range(3):
            served.predict(item(f"c{i}"))
        _until(lambda: len(_shadows(served)) == 3)
        project = served.service.project if served.service else None
    assert project is not None
    with project.ledger.reading() as connection:
        windows = connection.execute(sa.select(rollout_windows)).mappings().all()
    project.close()
    assert {row["variant"]: row["requests"] for row in windows} == {"champion": 3, "challenger": 3}
    assert all(row["latency_ms"] > 0 and row["failures"] == 0 for row in windows)


def test_the_service_looks_by_itself_and_another_replica_follows(
    served_folder: Path, tmp_path: Path, postgres_url: str
) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    text = (folder / "churnkit.toml").read_text()
    text = text.replace("look_seconds = 60.0", "look_seconds = 0.1")
    text = text.replace("minimum_customers = 1000", "minimum_customers = 4")
    (folder / "churnkit.toml").write_text(text.replace("minimum_days = 1.0", "minimum_days = 0.0"))
    with live(folder, postgres_url, **QUICK) as first, live(folder, postgres_url, **QUICK) as other:
        _started(first)
        service = other.service
        assert service is not None
        _until(lambda: service.rollouts.live)
        for i in range(4):
            first.predict(item(f"a{i}"))
            other.predict(item(f"b{i}"))
        with _client(first) as client:
            _until(lambda: client.rollout("r1").share > 0)
            history = client.rollout_history("r1").steps
            # Both replicas tried; each step was made once.
            assert [step.action for step in history[:2]] == ["start", "advance"]
            assert len({(step.action, step.stage) for step in history}) == len(history)
            share = client.rollout("r1").share
        _until(lambda: service.rollouts.live and service.rollouts.live.arms.share >= share)


def test_a_batch_is_shared_out_by_the_same_arms(embedded: Live) -> None:
    rows = customers(60)
    names = [row["customerID"] for row in rows]
    _started(embedded, overrides=dict.fromkeys(names[::4], "challenger"))
    service = embedded.service
    assert service is not None
    arms = running_arms(service.project)
    assert arms is not None
    batch = ended(embedded, upload(embedded, as_csv(rows), query="?reasons=1"))
    assert batch["state"] == "finished", batch
    told = {row["customer_id"]: row for row in lines(result(embedded, batch))}
    assert len(told) == 60
    recorded = _rows(embedded)
    answers = {row["customer_id"]: row for row in recorded if row["shadow_of"] is None}
    shadows = {row["shadow_of"]: row for row in recorded if row["shadow_of"] is not None}
    assert len(answers) == len(shadows) == 60
    for name in names:
        arm = arms.assignment.arm(name)
        assert told[name]["variant"] == answers[name]["variant"] == arm
        assert told[name]["model_version"] == arms.version(arm)
        shadow = shadows[answers[name]["prediction_id"]]
        assert {shadow["model_version"], answers[name]["model_version"]} == {"v1", "v2"}
        assert shadow["rollout_id"] == answers[name]["rollout_id"] == "r1"
