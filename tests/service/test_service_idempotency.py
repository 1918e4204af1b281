"""A request that is sent twice does its work once."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from churnkit_service.service import Service

from churnkit.usecases.operating import online
from tests.live import Live, Told, in_threads, item, live

REPLICAS = True


def _n(served: Live, customer: str) -> int:
    return len(served.ask("GET", f"/v1/predictions?customer_id={customer}").json["predictions"])


def _send(served: Live, key: str, *items: dict[str, Any], caller: str = "all") -> Told:
    return served.predict(*items, key=caller, headers={"Idempotency-Key": key})


def test_a_replay_gives_the_same_answer_and_writes_nothing(served: Live) -> None:
    first = _send(served, "k-1", item("idem-1"))
    again = _send(served, "k-1", item("idem-1"))
    assert first.status == again.status == 200
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert _n(served, "idem-1") == 1


def test_another_body_under_the_same_key_is_refused(served: Live) -> None:
    assert _send(served, "k-2", item("idem-2")).status == 200
    told = _send(served, "k-2", item("idem-2", tenure=70))
    assert (told.status, told.kind) == (422, "idempotency-key-reused")
    assert _n(served, "idem-2") == 1


def test_keys_of_different_callers_do_not_meet(served: Live) -> None:
    assert _send(served, "k-3", item("idem-3"), caller="score").status == 200
    assert _send(served, "k-3", item("idem-3", tenure=70), caller="all").status == 200
    assert _n(served, "idem-3") == 2


def test_a_refused_request_may_be_mended_under_its_key(served: Live) -> None:
    assert _send(served, "k-4", item("idem-4", tenure="x")).status == 422
    assert _send(served, "k-4", item("idem-4")).status == 200


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256])
def test_a_wrong_key_is_refused(served: Live, key: str) -> None:
    told = served.ask(
        "POST",
        "/v1/predictions",
        {"items": [item()]},
        headers={"Idempotency-Key": key.encode().decode("latin-1")},
    )
    assert (told.status, told.kind) == (422, "request-invalid")


def test_while_the_first_is_in_flight_the_second_is_told_so(
    served_folder: Path, postgres_url: str
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(service: Service) -> None:
        run = service.queries.run

        async def held(call: Any, *arguments: Any, **named: Any) -> Any:
            if call is online.find_answer:
                entered.set()
                await asyncio.to_thread(go_on.wait, 20)
            return await run(call, *arguments, **named)

        service.queries.run = held  # type: ignore[method-assign]

    with live(served_folder, postgres_url, change=slow) as served:

        def second() -> Told:
            assert entered.wait(20)
            told = _send(served, "k", item("slow"))
            go_on.set()
            return told

        first, told = in_threads([lambda: _send(served, "k", item("slow")), second])
        assert first.status == 200
        assert (told.status, told.kind) == (409, "request-in-flight")
        assert "Retry-After" in told.headers


def test_two_replicas_do_the_work_once(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url) as one, live(served_folder, postgres_url) as other:
        for i in range(12):
            # Both may be at work on one key: whoever commits second gives the first's answer.
            told = in_threads(
                [lambda r=r, i=i: _send(r, f"k-{i}", item(f"both-{i}"), caller=one.keys["all"])
                 for r in (one, other)]
            )  # fmt: skip
            assert {t.status for t in told} == {200}
            assert told[0].content == told[1].content
            assert _n(one, f"both-{i}") == 1


def test_what_another_replica_did_meanwhile_is_no_refusal(
    served_folder: Path, postgres_url: str
) -> None:
    """Both see no answer under the key; for the second one the first has gone back already."""
    looked, done = threading.Event(), threading.Event()

    def late(service: Service) -> None:
        run = service.queries.run

        async def held(call: Any, *arguments: Any, **named: Any) -> Any:
            found = await run(call, *arguments, **named)
            if call is online.find_answer and not looked.is_set():
                looked.set()
                await asyncio.to_thread(done.wait, 20)
            return found

        service.queries.run = held  # type: ignore[method-assign]

    with (
        live(served_folder, postgres_url) as one,
        live(served_folder, postgres_url, change=late) as other,
    ):
        key = one.keys["all"]

        def back(served: Live, name: str) -> Told:
            return served.ask(
                "POST",
                "/v1/models/aliases/champion/rollback",
                {"why": "worse", "expected_previous": "v2"},
                key=key,
                headers={"Idempotency-Key": name},
            )

        told = one.ask(
            "PUT", "/v1/models/aliases/champion", {"version": "v2", "why": "better"}, key=key
        )
        assert told.status == 200

        def first() -> Told:
            assert looked.wait(20)
            told = back(one, "k")
            done.set()
            return told

        mine, theirs = in_threads([first, lambda: back(other, "k")])
        assert (mine.status, theirs.status) == (200, 200), theirs.json
        assert mine.content == theirs.content
        told = back(other, "another")
        assert (told.status, told.kind) == (409, "alias-moved")


def test_it_survives_a_restart(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url) as served:
        first = _send(served, "k", item("again"))
        key = served.keys["all"]
    with live(served_folder, postgres_url) as served:
        again = _send(served, "k", item("again"), caller=key)
        assert again.content == first.content
        assert _n(served, "again") == 1


def test_old_keys_are_forgotten(served: Live) -> None:
    from datetime import UTC, datetime, timedelta

    assert _send(served, "old", item("old")).status == 200
    assert served.service is not None
    project = served.service.project
    now = datetime.now(UTC)
    assert online.forget_answers(project, now - timedelta(hours=1)) == 0
    assert online.forget_answers(project, now + timedelta(hours=1)) >= 1
    assert _send(served, "old", item("old", tenure=3)).status == 200
