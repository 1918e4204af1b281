"""Models over HTTP: show, load, let serve, go back; the journal says who, when and why."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.errors import ServiceRefused
from tests.copies import copy_project
from tests.live import Live, Told, in_threads, item, live

REPLICAS = True


def _let_serve(served: Live, version: str, **asked: Any) -> Told:
    body = {"version": version, "why": "a test", **asked}
    return served.ask("PUT", "/v1/models/aliases/champion", body)


def _champion(served: Live) -> str:
    return str(served.ask("GET", "/v1/models/aliases").json["champion"])


def _until(what: Any, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def _journal(served: Live) -> list[dict[str, Any]]:
    return list(served.ask("GET", "/v1/models/history?limit=1000").json["journal"])


def test_models_are_listed_and_shown_with_intervals_card_and_columns(served: Live) -> None:
    _let_serve(served, "v1")
    told = served.ask("GET", "/v1/models").json
    assert [model["version"] for model in told["models"]] == ["v1", "v2"]
    assert told["champion"] == "v1"
    assert "champion" in told["models"][0]["aliases"]
    shown = served.ask("GET", "/v1/models/champion").json
    assert shown == served.ask("GET", "/v1/models/v1").json
    auc = shown["metrics"]["roc_auc"]
    assert auc["low"] < auc["value"] < auc["high"]
    assert {len(shown[name]) for name in ("bundle_hash", "data_fingerprint", "feature_hash")} == {
        64
    }
    tenure = next(column for column in shown["columns"] if column["name"] == "tenure")
    assert (tenure["kind"], tenure["low"], tenure["high"]) == ("number", 0.0, 72.0)
    card = shown["card"]
    assert 500 < card["n_training_rows"] < 1_200
    assert 0.1 < card["base_rate"] < 0.5
    assert "scikit-learn" in card["libraries"]
    for path in ("/v1/models/v9", f"/v1/models/{'x' * 65}", "/v1/models/v9/load"):
        assert served.ask("GET", path).status == 404


def test_a_change_is_made_once_followed_and_written_down(served: Live) -> None:
    _let_serve(served, "v1")
    before = len(_journal(served))
    moment = datetime.now(UTC).isoformat().replace("+", "%2B")
    told = _let_serve(served, "v2", why="it is better", expected_previous="v1")
    assert told.status == 200, told.content
    row = told.json
    assert (row["version"], row["previous_version"], row["why"]) == ("v2", "v1", "it is better")
    assert row["who"].startswith("API key ")
    assert row["evidence"]["before"].keys() == {"v1"}
    # The same again changes nothing, also when what was expected is history by now.
    assert _let_serve(served, "v2", why="again", expected_previous="v1").json == row
    assert served.ask("GET", f"/v1/models/aliases?at={moment}").json["champion"] == "v1"
    _until(lambda: served.predict(item()).json["predictions"][0]["model_version"] == "v2")
    rows = _journal(served)
    assert rows[-1]["previous_hash"] == "0" * 64
    assert all(a["previous_hash"] == b["hash"] for a, b in itertools.pairwise(rows))
    assert len(rows) - before <= 2  # the change, and that v2 is no challenger any longer


def test_whoever_looked_before_somebody_else_moved_it_is_told(served: Live) -> None:
    _let_serve(served, "v1")
    told = _let_serve(served, "v2", expected_previous="v2")
    assert told.status == 200 or told.kind == "alias-moved"
    _let_serve(served, "v1")
    for expected in ("v9", None):
        told = _let_serve(served, "v2", expected_previous=expected)
        assert (told.status, told.kind) == (409, "alias-moved")
        assert "v1" in told.json["detail"]
    assert _champion(served) == "v1"
    body = {"why": "back", "expected_previous": "v2"}
    assert served.ask("POST", "/v1/models/aliases/champion/rollback", body).status == 409


def test_of_many_who_want_to_change_it_exactly_one_does(served: Live) -> None:
    _let_serve(served, "v1")
    before = len(_journal(served))
    body = {"why": "back", "expected_previous": "v1"}
    _let_serve(served, "v2", expected_previous="v1")
    told = in_threads(
        [
            lambda: served.ask(
                "POST", "/v1/models/aliases/champion/rollback", {**body, "expected_previous": "v2"}
            )
        ]
        * 6
    )
    assert sorted(t.status for t in told) == [200] + [409] * 5
    assert _champion(served) == "v1"
    actions = [row["action"] for row in _journal(served)][: len(_journal(served)) - before]
    assert actions.count("rollback") == 1


def test_a_key_rolls_back_once_however_often_it_is_sent(served: Live) -> None:
    _let_serve(served, "v1")
    _let_serve(served, "v2")
    headers = {"Idempotency-Key": f"back-{time.time_ns()}"}
    body = {"why": "complaints"}
    told = [
        served.ask("POST", "/v1/models/aliases/champion/rollback", body, headers=headers)
        for _ in range(3)
    ]
    assert {t.status for t in told} == {200}
    assert told[0].content == told[1].content == told[2].content
    assert told[2].headers["Idempotent-Replayed"] == "true"
    assert _champion(served) == "v1"
    other = served.ask(
        "POST", "/v1/models/aliases/champion/rollback", {"why": "more"}, headers=headers
    )
    assert (other.status, other.kind) == (422, "idempotency-key-reused")


def test_a_challenger_can_be_named_but_not_the_champion_itself(served: Live) -> None:
    _let_serve(served, "v1")
    path = "/v1/models/aliases/challenger"
    told = served.ask("PUT", path, {"version": "v2", "why": "try it"})
    assert (told.status, told.json["alias"]) == (200, "challenger")
    assert served.ask("GET", "/v1/models/aliases").json["challenger"] == "v2"
    told = served.ask("PUT", path, {"version": "v1", "why": "try it"})
    assert (told.status, told.kind) == (409, "alias-moved")
    # Promoted, it is no challenger any longer.
    _let_serve(served, "v2")
    assert served.ask("GET", "/v1/models/aliases").json["challenger"] is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("aliases/king", {"version": "v1", "why": "x"}, 404),
        ("aliases/champion", {"version": "v9", "why": "x"}, 404),
        ("aliases/champion", {"version": "v1"}, 422),
        ("aliases/champion", {"version": "v1", "why": ""}, 422),
        ("aliases/champion", {"version": "v1", "why": "x\0"}, 422),
        ("aliases/champion", {"version": 1, "why": "x"}, 422),
        ("aliases/champion", {"version": "v1", "why": "x", "by": "me"}, 422),
    ],
)
def test_a_wrong_change_is_refused(
    served: Live, path: str, body: dict[str, Any], status: int
) -> None:
    before = _journal(served)
    assert served.ask("PUT", f"/v1/models/{path}", body).status == status
    assert _journal(served) == before


def test_the_journal_is_paged_and_verified(served: Live) -> None:
    _let_serve(served, "v1")
    rows = _journal(served)
    seen: list[int] = []
    before = ""
    while True:
        page = served.ask("GET", f"/v1/models/history?limit=2{before}").json
        seen += [row["sequence"] for row in page["journal"]]
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    assert seen == [row["sequence"] for row in rows] == list(range(len(rows), 0, -1))
    told = served.ask("GET", "/v1/models/verify?files=true").json
    assert told["ok"], told
    subjects = {check["subject"]: check["state"] for check in told["checks"]}
    assert subjects["journal"] == "ok"
    assert any("compiled" in name for name in subjects)


def test_every_replica_makes_a_model_ready_and_it_serves_at_once(
    served_folder: Path, postgres_url: str
) -> None:
    with (
        live(served_folder, postgres_url, reload_seconds=0.1) as one,
        live(served_folder, postgres_url, reload_seconds=0.1) as two,
    ):
        assert one.service is not None
        assert two.service is not None
        told = one.ask("POST", "/v1/models/challenger/load", {})
        assert (told.status, told.json["version"], told.json["wanted"]) == (202, "v2", True)
        # A replica that has just started is not known to the others yet.
        _until(lambda: len(one.ask("GET", "/v1/models/v2/load").json["replicas"]) == 2)
        _until(lambda: one.ask("GET", "/v1/models/v2/load").json["ready"])
        found = two.ask("GET", "/v1/models/v2/load").json["replicas"]
        digest = one.ask("GET", "/v1/models/v2").json["bundle_hash"]
        assert {(r["state"], r["bundle_hash"]) for r in found} == {("ready", digest)}
        assert all(r["seconds"] > 0 for r in found)
        # The old one serves until then, and afterwards the very object that was warm.
        assert one.predict(item()).json["predictions"][0]["model_version"] == "v1"
        warm = [service.warm.get("v2") for service in (one.service, two.service)]
        _let_serve(one, "v2", expected_previous="v1")
        for served, scorer in zip((one, two), warm, strict=True):
            assert served.service is not None
            _until(lambda served=served: served.service.champion.version == "v2")
            assert served.service.champion.scorer is scorer
        _until(
            lambda: (
                [r["state"] for r in two.ask("GET", "/v1/models/v2/load").json["replicas"]]
                == ["serving"] * 2
            )
        )
    # Who ended is no replica any more.
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from replicas")).scalar() == 0


def test_no_request_fails_while_who_serves_changes(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url, reload_seconds=0.05) as served:
        statuses: list[int] = []
        versions: list[str] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                told = served.predict(item())
                statuses.append(told.status)
                versions.append(told.json["predictions"][0]["model_version"])

        thread = threading.Thread(target=load)
        thread.start()
        for version in ("v2", "v1", "v2"):
            _let_serve(served, version)
            _until(lambda version=version: versions[-1:] == [version])
        stop.set()
        thread.join()
        assert set(statuses) == {200}


def test_damaged_files_may_not_serve(served_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    trees = folder / "store" / "bundles" / "v2" / "compiled" / "compiled.json"
    trees.write_bytes(trees.read_bytes()[:-10])
    with live(folder) as served:
        told = _let_serve(served, "v2")
        assert (told.status, told.kind) == (503, "bundle-unreadable")
        assert str(tmp_path) not in told.content.decode()
        assert _champion(served) == "v1"
        verified = served.ask("GET", "/v1/models/verify?files=true").json
        assert not verified["ok"]
        served.ask("POST", "/v1/models/v2/load", {})
        _until(
            lambda: served.ask("GET", "/v1/models/v2/load").json["replicas"][0]["state"] == "failed"
        )


def test_a_journal_that_was_edited_is_found_out(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url) as served:
        assert served.service is not None
        assert served.ask("GET", "/v1/models/verify").json["ok"]
        engine = served.service.project.ledger.engine
        with engine.begin() as connection:
            connection.execute(sa.text("alter table journal disable trigger all"))
            connection.execute(sa.text("update journal set who = 'me' where sequence = 1"))
        told = served.ask("GET", "/v1/models/verify").json
        assert not told["ok"]
        assert "was edited" in str(told["checks"])


def test_both_clients_speak_of_models(served: Live) -> None:
    _let_serve(served, "v1")
    with Client(served.url, key=served.keys["all"]) as client:
        assert client.models().champion == "v1"
        assert client.model().version == "v1"
        row = client.set_alias("v2", why="by the client", expected_previous="v1")
        assert row.version == "v2"
        assert next(client.journal(page_size=1)).alias in ("champion", "challenger")
        with pytest.raises(ServiceRefused) as refused:
            client.set_alias("v1", why="too late", expected_previous="v1")
        assert refused.value.where["type"] == "/problems/alias-moved"
        assert client.rollback(why="back", expected_previous="v2").version == "v1"
        assert client.verify_models().ok
        assert client.load_model("v2").wanted

    async def work() -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as other:
            assert (await other.models()).champion == "v1"
            assert (await other.model("v2")).version == "v2"
            assert (await other.aliases()).champion == "v1"
            assert (await other.set_alias("v2", why="once more")).version == "v2"
            assert (await other.rollback(why="back")).version == "v1"
            assert [row.sequence async for row in other.journal(page_size=3)][-1] == 1
            assert (await other.verify_models(files=True)).ok
            assert (await other.load_model("v2")).version == "v2"
            assert (await other.model_load("v2")).wanted

    asyncio.run(work())
