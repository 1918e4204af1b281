"""The consumer on a real NATS server: once each, nothing lost, dead letters with their reason."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
import typer
from churnkit_service.broker.consume import run_consumer
from churnkit_service.commands import register
from nats.js.api import ConsumerConfig

import churnkit as ck
from churnkit.errors import SettingsInvalid
from churnkit.usecases.operating.online import open_for_service
from tests.broker.broker import consumer, consuming, jetstream, send, settled, take
from tests.copies import copy_project
from tests.live import item, prepare
from tests.nats import Nats, own_nats
from tests.postgres import own_postgres

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], seconds: float = 120) -> T:
    """Do it on an event loop of its own."""
    return asyncio.run(asyncio.wait_for(work, seconds))


@pytest.fixture
def broker() -> Iterator[Nats]:
    """A server of the test's own."""
    with own_nats() as server:
        yield server


def rows(url: str) -> list[tuple[str, str, float]]:
    """What is in the ledger: id, customer, probability."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = sa.text("select prediction_id, customer_id, probability from predictions")
        return [tuple(row) for row in connection.execute(query)]  # type: ignore[misc]


def test_requests_are_answered_once_each_and_what_cannot_succeed_is_buried(
    served_folder: Path, postgres_url: str, broker: Nats
) -> None:
    prepare(served_folder, postgres_url)

    async def talk() -> tuple[list[Any], list[Any]]:
        async with jetstream(broker.url) as stream:
            await send(stream, "requests", {"id": "one", "items": [item("n-1")]}, "m-1")
            await send(stream, "requests", {"items": [item("n-2")]})  # without an id of its own
            await send(
                stream,
                "requests",
                {"items": [item("n-3"), item("n-4", tenure="x"), item("n-5")], "on_error": "skip"},
            )
            await send(stream, "requests", b"{not json", "bad-1")
            await send(stream, "requests", {"items": [item("n-6", tenure="long")]}, "bad-2")
            await send(stream, "requests", b"\xff\xfe", "bad-3")
            with consumer(served_folder, postgres_url, broker.url) as process:
                answers = await take(stream, "predictions", 3)
                dead = await take(stream, "dead_letters", 3)
                await settled(stream, "requests")
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            return answers, dead

    answers, dead = run(talk())
    told = {
        one["predictions"][0]["customer_id"]: one for one in (json.loads(m.data) for m in answers)
    }
    assert set(told) == {"n-1", "n-2", "n-3"}
    assert (told["n-1"]["id"], told["n-1"]["message_id"]) == ("one", "m-1")
    assert [one["customer_id"] for one in told["n-3"]["predictions"]] == ["n-3", "n-5"]
    assert [one["item"] for one in told["n-3"]["errors"]] == [1]
    published = {
        p["prediction_id"]: p["customer_id"] for t in told.values() for p in t["predictions"]
    }
    assert published == {name: customer for name, customer, _ in rows(postgres_url)}
    assert len(published) == 4
    reasons = {json.loads(m.header["Churnkit-Message-Id"]): m.header for m in dead}
    assert {name: one["Churnkit-Reason"] for name, one in reasons.items()} == {
        "bad-1": "body-malformed",
        "bad-2": "request-invalid",
        "bad-3": "body-malformed",
    }
    problem = json.loads(reasons["bad-2"]["Churnkit-Problem"])
    assert problem["errors"][0]["field"] == "features.tenure"
    assert reasons["bad-2"]["Churnkit-Subject"] == "churnkit.requests"
    bodies = {m.data for m in dead}
    assert {b"{not json", b"\xff\xfe"} < bodies  # as they came


def test_a_message_that_comes_twice_is_answered_the_same_and_scored_once(
    served_folder: Path, postgres_url: str, broker: Nats
) -> None:
    """The same id twice in the stream: the broker's own memory of ids was too short."""
    prepare(served_folder, postgres_url)

    async def talk() -> list[Any]:
        async with jetstream(broker.url) as stream:
            config = (await stream.stream_info("CHURNKIT")).config
            config.duplicate_window = 0.1
            await stream.update_stream(config)
            request = {"items": [item("twice")]}
            await send(stream, "requests", request, "same")
            await asyncio.sleep(0.15)
            await send(stream, "requests", request, "same")
            async with consuming(served_folder, postgres_url, broker.url, in_flight=1):
                await settled(stream, "requests")
                await asyncio.sleep(0.15)
                await send(stream, "requests", {"items": [item("other")]}, "same")
                dead = await take(stream, "dead_letters", 1)
                # The answer under its key is forgotten after a day; its predictions are not.
                engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
                with engine.begin() as connection:
                    connection.execute(sa.text("delete from idempotency"))
                await asyncio.sleep(0.15)
                await send(stream, "requests", request, "same")
                await settled(stream, "requests")
                assert [m.header["Churnkit-Reason"] for m in dead] == ["idempotency-key-reused"]
                return await take(stream, "predictions", 1)

    answers = [json.loads(m.data)["predictions"] for m in run(talk())]
    assert all(one == answers[0] for one in answers)
    ((name, customer, _),) = rows(postgres_url)
    assert (answers[0][0]["prediction_id"], customer) == (name, "twice")


def test_events_change_the_features_that_requests_are_scored_by(
    online_folder: Path, tmp_path: Path, postgres_url: str, broker: Nats
) -> None:
    folder = copy_project(online_folder, tmp_path / "project")
    with open_for_service(folder, postgres_url) as project:
        prepare(folder, postgres_url)
        ck.rebuild_online(project)
    now = datetime.now(UTC)

    def event(customer: str, key: str, **fields: Any) -> dict[str, Any]:
        at = now.isoformat()
        return {
            "customer_id": customer,
            "event_time": at,
            "dollar_value": 9.5,
            "key": key,
            **fields,
        }

    async def talk() -> tuple[list[Any], list[Any]]:
        async with jetstream(broker.url) as stream:
            await send(stream, "events", event("b-1", "a"))
            await send(stream, "events", {"items": [event("b-1", "b"), event("b-2", "c")]})
            await send(stream, "events", event("b-1", "a"))  # a second delivery
            await send(stream, "events", event("b-1", "d", colour="red"), "bad")
            late = (now - timedelta(days=30)).isoformat()
            mixed = [event("b-1", "e"), event("b-1", "f", event_time=late), {"customer_id": "b-1"}]
            async with consuming(folder, postgres_url, broker.url, in_flight=1):
                await settled(stream, "events")
                await send(stream, "events", {"items": mixed, "on_error": "skip"}, "mixed")
                await settled(stream, "events")
                dead = await take(stream, "dead_letters", 2)
                await send(stream, "requests", {"items": [{"customer_id": "b-1"}]})
                await send(stream, "requests", {"items": [{"customer_id": "nobody"}]}, "nobody")
                answers = await take(stream, "predictions", 1)
                dead = await take(stream, "dead_letters", 3)
            return answers, dead

    answers, dead = run(talk())
    with open_for_service(folder, postgres_url) as project:
        found = [one.values["events_ever"] for one in ck.online_features(project, ["b-1", "b-2"])]
    assert found == [3, 1]
    (answer,) = (json.loads(m.data) for m in answers)
    assert answer["predictions"][0]["customer_id"] == "b-1"
    reasons = {json.loads(m.header["Churnkit-Message-Id"]): m.header for m in dead}
    assert {name: one["Churnkit-Reason"] for name, one in reasons.items()} == {
        "bad": "request-invalid",
        "mixed": "events-left-out",
        "nobody": "request-invalid",
    }
    left_out = json.loads(reasons["mixed"]["Churnkit-Problem"])["errors"]
    assert {one["item"] for one in left_out} == {1, 2}


def _kill_rounds(
    folder: Path, url: str, broker: Nats, rounds: int, requests: int, **settings: object
) -> tuple[list[Any], list[Any]]:
    """Consumers that are killed while they work, until one may finish."""

    async def talk() -> tuple[list[Any], list[Any]]:
        async with jetstream(broker.url) as stream:
            for i in range(requests):
                await send(stream, "requests", {"items": [item(f"k-{i}")]}, f"r-{i}")
            for n in range(rounds):
                with consumer(folder, url, broker.url, **settings) as process:
                    # Killed in the middle: when some more answers are out, at no particular place.
                    await _answered(stream, (n + 1) * requests // (rounds + 1) - 7 * (n % 3))
                    process.kill()
            with consumer(folder, url, broker.url, **settings) as process:
                await settled(stream, "requests")
                answers = await take(stream, "predictions", requests)
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            info = await stream.stream_info("CHURNKIT", subjects_filter=">")
            dead = (info.state.subjects or {}).get("churnkit.dead_letters", 0)
            return answers, [dead]

    return run(talk(), 600)


async def _answered(stream: Any, n: int) -> None:
    while True:
        info = await stream.stream_info("CHURNKIT", subjects_filter=">")
        if (info.state.subjects or {}).get("churnkit.predictions", 0) >= n:
            return
        await asyncio.sleep(0.002)


def _check_once_each(answers: list[Any], url: str, requests: int) -> None:
    told = [json.loads(m.data) for m in answers]
    assert sorted(one["message_id"] for one in told) == sorted(f"r-{i}" for i in range(requests))
    published = {p["prediction_id"]: p["customer_id"] for one in told for p in one["predictions"]}
    kept = rows(url)
    assert len(kept) == requests
    assert published == {name: customer for name, customer, _ in kept}
    assert {one["message_id"][2:] for one in told} == {c[2:] for _, c, _ in kept}


@pytest.mark.long
def test_a_consumer_that_is_killed_loses_nothing_and_does_nothing_twice(
    served_folder: Path, postgres_url: str, broker: Nats
) -> None:
    prepare(served_folder, postgres_url)
    answers, dead = _kill_rounds(served_folder, postgres_url, broker, 2, 500)
    assert dead == [0]
    _check_once_each(answers, postgres_url, 500)


@pytest.mark.long
def test_a_consumer_that_is_killed_twenty_times_loses_nothing(
    served_folder: Path, postgres_url: str, broker: Nats
) -> None:
    prepare(served_folder, postgres_url)
    answers, dead = _kill_rounds(
        served_folder, postgres_url, broker, 20, 12_000, max_deliveries=100
    )
    assert dead == [0]
    _check_once_each(answers, postgres_url, 12_000)


@pytest.mark.long
def test_while_the_database_is_away_messages_wait_and_none_is_buried(
    served_folder: Path, broker: Nats
) -> None:
    """A delivery that fails for the database's sake is no failure of its message."""
    with own_postgres() as server:
        prepare(served_folder, server.url)

        async def talk() -> tuple[list[Any], int]:
            async with jetstream(broker.url) as stream:
                with consumer(served_folder, server.url, broker.url, max_deliveries=3) as process:
                    await send(stream, "requests", {"items": [item("before")]}, "r-before")
                    await take(stream, "predictions", 1)
                    await asyncio.to_thread(server.stop, "immediate")
                    for i in range(100):  # more than are at work at once
                        await send(stream, "requests", {"items": [item(f"away-{i}")]}, f"r-{i}")
                    await asyncio.sleep(4)  # several times longer than three deliveries take
                    assert process.poll() is None
                    await asyncio.to_thread(server.start)
                    answers = await take(stream, "predictions", 101)
                    await settled(stream, "requests")
                info = await stream.stream_info("CHURNKIT", subjects_filter=">")
                return answers, (info.state.subjects or {}).get("churnkit.dead_letters", 0)

        answers, dead = run(talk())
        kept = rows(server.url)
    assert dead == 0
    assert len(answers) == len(kept) == len({customer for _, customer, _ in kept}) == 101


@pytest.mark.long
def test_a_broker_that_is_restarted_is_reached_again(
    served_folder: Path, postgres_url: str, broker: Nats
) -> None:
    prepare(served_folder, postgres_url)

    async def talk() -> None:
        with consumer(served_folder, postgres_url, broker.url) as process:
            async with jetstream(broker.url) as stream:
                await send(stream, "requests", {"items": [item("one")]}, "r-1")
                await take(stream, "predictions", 1)
            await asyncio.to_thread(broker.stop, signal.SIGKILL)
            await asyncio.sleep(1)
            await asyncio.to_thread(broker.start)
            async with jetstream(broker.url) as stream:
                await send(stream, "requests", {"items": [item("two")]}, "r-2")
                await take(stream, "predictions", 2)
                await settled(stream, "requests")
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    run(talk())
    assert sorted(customer for _, customer, _ in rows(postgres_url)) == ["one", "two"]


def test_a_message_that_ends_the_process_is_not_tried_for_ever(
    served_folder: Path, postgres_url: str, broker: Nats
) -> None:
    """Killed while it tries a message that was delivered too often; one that was only delivered
    often is done."""
    prepare(served_folder, postgres_url)
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    attempts = sa.text("select count(*) from idempotency where owner = 'broker attempts'")

    async def talk() -> tuple[list[Any], list[Any]]:
        async with jetstream(broker.url) as stream:
            config = ConsumerConfig(durable_name="churnkit-requests", ack_wait=1, max_deliver=-1)
            pull = await stream.pull_subscribe(
                "churnkit.requests", "churnkit-requests", config=config
            )

            async def deliver_twice(name: str) -> None:
                await send(stream, "requests", {"items": [item(name)]}, name)
                taken = 0
                while taken < 2:  # and never answered
                    (message,) = await pull.fetch(1, timeout=10)
                    taken += message.header["Nats-Msg-Id"] == name
                    await message.nak()

            await deliver_twice("poison")
            with engine.connect() as watching:
                # Its predictions cannot be written, so that it is caught in the middle.
                watching.execute(sa.text("lock table predictions in exclusive mode"))
                with consumer(
                    served_folder, postgres_url, broker.url, max_deliveries=2, in_flight=1
                ) as process:
                    while not watching.execute(attempts).scalar():
                        await asyncio.sleep(0.005)
                    process.kill()
                watching.rollback()
            await deliver_twice("innocent")
            with consumer(served_folder, postgres_url, broker.url, max_deliveries=2, in_flight=1):
                dead = await take(stream, "dead_letters", 1)
                return dead, await take(stream, "predictions", 1)

    (dead,), (answer,) = run(talk())
    assert dead.header["Churnkit-Reason"] == "delivered-too-often"
    assert json.loads(dead.header["Churnkit-Message-Id"]) == "poison"
    assert int(dead.header["Churnkit-Deliveries"]) > 2
    assert json.loads(answer.data)["message_id"] == "innocent"
    assert [customer for _, customer, _ in rows(postgres_url)] == ["innocent"]


def test_an_answer_that_is_too_long_comes_in_parts(
    served_folder: Path, postgres_url: str, broker: Nats
) -> None:
    prepare(served_folder, postgres_url)
    many = [item(f"part-{i}") for i in range(200)]

    async def talk() -> list[Any]:
        async with jetstream(broker.url) as stream:
            await send(stream, "requests", {"id": "long", "items": many}, "r-long")
            async with consuming(served_folder, postgres_url, broker.url, max_message_bytes=20_000):
                await settled(stream, "requests")
                return await take(stream, "predictions", 2)

    messages = run(talk())
    told = [json.loads(m.data) for m in messages]
    assert [one["part"] for one in told] == list(range(1, len(told) + 1))
    assert {one["parts"] for one in told} == {len(told)}
    assert all(len(m.data) <= 20_000 for m in messages)
    ids = [p["prediction_id"] for one in told for p in one["predictions"]]
    assert sorted(ids) == sorted(name for name, _, _ in rows(postgres_url))
    assert len(ids) == 200


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"events": "", "requests": ""}, "nothing to consume"),
        ({"events": "a", "requests": "a"}, "four different"),
        ({"dead_letters": ""}, "four different"),
    ],
)
def test_settings_that_lead_nowhere_are_refused(
    served_folder: Path, monkeypatch: pytest.MonkeyPatch, table: dict[str, str], words: str
) -> None:
    for name, value in table.items():
        monkeypatch.setenv(f"CHURNKIT_BROKER_{name.upper()}", value)
    with pytest.raises(SettingsInvalid, match=words):
        run_consumer(served_folder, database_url="", tell=print)


def test_the_command_is_registered() -> None:
    app = typer.Typer()
    register(app)
    assert "consume" in {
        command.callback.__name__ for command in app.registered_commands if command.callback
    }
