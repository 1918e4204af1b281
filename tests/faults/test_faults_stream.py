"""The WebSocket goes on through a restart of its database: told, in order, and nothing lost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import sqlalchemy as sa
from aiohttp import WSMsgType

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.calls.stream import stream_request
from churnkit.client.messages.stream import StreamAnswer, StreamRequest
from tests.live import FEATURES, Live, item, live
from tests.postgres import Postgres, own_postgres

WINDOW, AHEAD = 8, 400
MOST_MEMORY_BYTES = 40e6


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server that this test may stop."""
    with own_postgres() as server:
        yield server


def _recorded(url: str) -> dict[str, str]:
    """The customer of each recorded prediction."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = "select prediction_id, customer_id from predictions"
        return {row[0]: row[1] for row in connection.execute(sa.text(query))}


@pytest.mark.parametrize("restarts", [1, pytest.param(8, marks=pytest.mark.long)])
def test_its_database_restarts_under_a_stream(
    served_folder: Path, postgres: Postgres, restarts: int
) -> None:
    """A client sends as fast as it is let. Each message is answered or told why not, in order."""
    answers: list[Any] = []
    sent = 0

    async def talk(served: Live) -> None:
        nonlocal sent
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"{served.url}/v1/stream",
                headers={"Authorization": f"Bearer {served.keys['score']}"},
            ) as socket,
        ):
            over = asyncio.Event()
            last: int | None = None

            async def send() -> None:
                nonlocal last, sent
                while last is None:
                    if over.is_set():
                        # Told before it is sent: its answer ends the receiver, however fast it is.
                        last = sent
                    name = f"m-{sent}"
                    # One message in three has a key: it asks the database before it is scored.
                    keyed = {"idempotency_key": name} if sent % 3 == 0 else {}
                    sent += 1
                    await socket.send_json({"id": name, "items": [item(name)], **keyed})
                    await asyncio.sleep(0.001)

            async def receive() -> None:
                while last is None or len(answers) <= last:
                    found = await socket.receive(20)
                    assert found.type is WSMsgType.TEXT, found
                    answers.append(json.loads(found.data))

            async def until(n: int) -> None:
                async with asyncio.timeout(30):
                    while sum("predictions" in answer for answer in answers) < n:
                        await asyncio.sleep(0.01)

            sender, receiver = asyncio.create_task(send()), asyncio.create_task(receive())
            await until(50)
            memory = psutil.Process().memory_info().rss
            for _ in range(restarts):
                await asyncio.to_thread(postgres.stop)
                problems = len(answers)
                async with asyncio.timeout(10):
                    while not any("problem" in answer for answer in answers[problems:]):
                        await asyncio.sleep(0.01)
                await asyncio.sleep(0.5)
                assert psutil.Process().memory_info().rss < memory + MOST_MEMORY_BYTES
                await asyncio.to_thread(postgres.start)
                await until(sum("predictions" in answer for answer in answers) + 50)
            over.set()
            await asyncio.wait_for(asyncio.gather(sender, receiver), 30)

    with live(served_folder, postgres.url, stream_window=WINDOW) as served:
        asyncio.run(talk(served))
    assert [answer["id"] for answer in answers] == [f"m-{n}" for n in range(sent)]
    assert [answer["number"] for answer in answers] == list(range(sent))
    refused = {answer["problem"]["type"] for answer in answers if "problem" in answer}
    assert refused == {"/problems/storage-unreachable"}
    told = {
        answer["predictions"][0]["prediction_id"]: answer["id"]
        for answer in answers
        if "predictions" in answer
    }
    recorded = _recorded(postgres.url)
    assert told.items() <= recorded.items()
    # A message that was told that it failed may have been committed in the last moment, once.
    assert len(set(recorded.values())) == len(recorded)


def test_while_its_database_hangs_the_window_holds(served_folder: Path, postgres: Postgres) -> None:
    """Nothing is answered and nothing more is read than the window; then all of it is."""
    with live(
        served_folder, postgres.url, stream_window=WINDOW, commit_timeout_seconds=15.0
    ) as served:
        asyncio.run(_through_a_pause(served, postgres))
    assert set(_recorded(postgres.url).values()) >= {f"p-{n}" for n in range(AHEAD)}


async def _through_a_pause(served: Live, postgres: Postgres) -> None:
    assert served.service is not None
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{served.url}/v1/stream", headers={"Authorization": f"Bearer {served.keys['score']}"}
        ) as socket,
    ):
        await socket.send_json({"id": "first", "items": [item("first")]})
        assert "predictions" in json.loads((await socket.receive(20)).data)
        with postgres.frozen():

            async def send() -> None:
                for n in range(AHEAD):
                    await socket.send_json({"id": f"p-{n}", "items": [item(f"p-{n}")]})

            sender = asyncio.create_task(send())
            await asyncio.sleep(0.5)
            assert 0 < served.service.writer.pending_rows <= WINDOW
        answers = [json.loads((await socket.receive(20)).data) for _ in range(AHEAD)]
        await sender
    assert [answer["id"] for answer in answers] == [f"p-{n}" for n in range(AHEAD)]
    assert all("predictions" in answer for answer in answers)


def test_the_client_hears_of_each_message_that_was_not_recorded(
    served_folder: Path, postgres: Postgres
) -> None:
    """Through the client: sent again under its key, such a message works once."""
    with live(served_folder, postgres.url) as served:
        answers: list[StreamAnswer] = []

        async def source() -> AsyncIterator[StreamRequest]:
            for n in range(120):
                if n == 40:
                    await asyncio.to_thread(postgres.stop)
                if n == 80:
                    await asyncio.to_thread(postgres.start)
                    end = time.monotonic() + 20
                    while served.predict(item()).status != 200:
                        assert time.monotonic() < end
                        await asyncio.sleep(0.02)
                yield stream_request({f"c-{n}": FEATURES}, id=str(n), idempotency_key=f"c-{n}")

        async def talk(requests: Any) -> list[StreamAnswer]:
            async with AsyncClient(served.url, key=served.keys["score"]) as client:
                return [answer async for answer in client.stream(requests, window=4)]

        answers = asyncio.run(talk(source()))
        assert [answer.id for answer in answers] == [str(n) for n in range(120)]
        failed = [answer for answer in answers if answer.problem is not None]
        assert failed
        again = [
            stream_request({f"c-{one.id}": FEATURES}, id=one.id, idempotency_key=f"c-{one.id}")
            for one in answers
        ]
        second = asyncio.run(talk(again))
    for before, after in zip(answers, second, strict=True):
        assert after.predictions
        if before.predictions:
            assert after.predictions == before.predictions
    recorded = [name for name in _recorded(postgres.url).values() if name.startswith("c-")]
    assert sorted(recorded) == sorted(f"c-{n}" for n in range(120))
