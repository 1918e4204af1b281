"""The WebSocket that scores: in order, durable, within limits, and to a clean end."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
import sqlalchemy as sa
from aiohttp import WSCloseCode, WSMsgType

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.calls.stream import stream_request
from churnkit.client.messages.stream import StreamAnswer, StreamRequest
from churnkit.domain.recording import IdempotentAnswer, PredictionColumns
from churnkit.errors import ServiceRefused, StorageUnreachable
from tests.live import FEATURES, Live, command, item, live, prepare

REPLICAS = "long"
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do it on an event loop of its own, within a minute."""
    return asyncio.run(asyncio.wait_for(work, 60))


@asynccontextmanager
async def opened(
    url: str, key: str, **headers: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A plain WebSocket, without the client's help."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"{url}/v1/stream", headers={"Authorization": f"Bearer {key}", **headers}
        ) as socket,
    ):
        yield socket


async def ask(served: Live, *messages: Any, key: str = "score") -> list[Any]:
    """Send messages at once, and take so many answers."""
    async with opened(served.url, served.keys[key]) as socket:
        for message in messages:
            sent = message if isinstance(message, str) else json.dumps(message)
            await socket.send_str(sent)
        return [json.loads((await socket.receive(20)).data) for _ in messages]


def message(name: str, *items: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """A message of one customer of this name, if none is given."""
    return {"id": name, "items": list(items) or [item(name)], **asked}


def recorded(served: Live, customer: str) -> int:
    """How many predictions of a customer are in the ledger."""
    told = served.ask("GET", f"/v1/predictions?customer_id={customer}")
    return len(told.json["predictions"])


def test_messages_are_answered_in_order_as_requests_are(served: Live) -> None:
    asked = [message(f"ws-{i}", reasons=2 * (i % 2)) for i in range(100)]
    answers = run(ask(served, *asked))
    assert [one["id"] for one in answers] == [one["id"] for one in asked]
    assert [one["number"] for one in answers] == list(range(100))
    (by_request,) = served.predict(item("ws-1"), reasons=2).json["predictions"]
    (by_message,) = answers[1]["predictions"]
    assert by_message["probability"] == by_request["probability"]
    assert by_message["reasons"] == by_request["reasons"]
    assert len({one["predictions"][0]["prediction_id"] for one in answers}) == 100
    assert recorded(served, "ws-7") == 1


def test_an_error_is_its_messages_own_and_the_others_go_on(served: Live) -> None:
    answers = run(
        ask(
            served,
            message("good"),
            "{not json",
            message("wrong", item(tenure="long")),
            message("partly", item("a"), item("b", tenure="long"), on_error="skip"),
            message("many", *[item()] * 1_001),
            {"id": "empty", "items": []},
            {"id": 7, "items": [item()]},
            {"id": "more", "items": [item()], "colour": "red"},
            [1],
            message("last"),
        )
    )
    kinds = [
        one["problem"]["type"].rpartition("/")[2] if "problem" in one else None for one in answers
    ]
    bad = "request-invalid"
    assert kinds == [None, "body-malformed", bad, None, bad, bad, bad, bad, bad, None]
    wrong = answers[2]
    assert wrong["id"] == "wrong"
    assert wrong["problem"]["errors"][0]["field"] == "features.tenure"
    assert [len(answers[3][name]) for name in ("predictions", "errors")] == [1, 1]
    assert [one["number"] for one in answers] == list(range(10))
    for one in answers:
        StreamAnswer.model_validate(one)


def test_a_message_under_a_key_works_once(served: Live) -> None:
    first = message("k-first", item("ws-key"), idempotency_key="stream-1")
    again = {**first, "id": "k-again"}
    other = message("k-other", item("ws-key", tenure=70), idempotency_key="stream-1")
    (one,) = run(ask(served, first))
    two, three = run(ask(served, again, other))
    assert two["predictions"] == one["predictions"]
    assert two["id"] == "k-again"
    assert three["problem"]["type"] == "/problems/idempotency-key-reused"
    assert recorded(served, "ws-key") == 1


def test_an_answer_comes_after_its_commit_and_a_failed_commit_is_a_problem(
    served: Live,
) -> None:
    """While commits are held back no answer comes; one that fails is told as such."""
    assert served.service is not None
    writer = served.service.writer
    submit, gate = writer.submit, threading.Event()

    def held(
        parts: tuple[PredictionColumns, ...], kept: IdempotentAnswer | None = None
    ) -> asyncio.Future[bool]:
        async def later() -> bool:
            while not gate.is_set():
                await asyncio.sleep(0.01)
            if parts[0].customer_ids == ["ws-lost"]:
                raise StorageUnreachable("gone")
            return await submit(parts, kept)

        return asyncio.ensure_future(later())

    async def talk() -> list[Any]:
        async with opened(served.each[0].url, served.keys["score"]) as socket:
            await socket.send_json(message("ws-held"))
            await socket.send_json(message("ws-lost"))
            with pytest.raises(TimeoutError):
                await socket.receive(0.3)
            gate.set()
            return [json.loads((await socket.receive(20)).data) for _ in range(2)]

    writer.submit = held  # type: ignore[method-assign]
    try:
        first, second = run(talk())
    finally:
        writer.submit = submit  # type: ignore[method-assign]
    assert first["predictions"]
    assert second["problem"]["type"] == "/problems/storage-unreachable"
    assert (recorded(served, "ws-held"), recorded(served, "ws-lost")) == (1, 0)


@pytest.mark.parametrize(
    ("key", "headers", "status"),
    [
        ("read", {}, 403),
        ("ck_000000000000_" + "x" * 43, {}, 401),
        ("score", {"Origin": "https://evil.example"}, 403),
    ],
)
def test_who_may_not_is_not_let_in(
    served: Live, key: str, headers: dict[str, str], status: int
) -> None:
    async def connect() -> None:
        async with opened(served.url, served.keys.get(key, key), **headers):
            pass

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        run(connect())
    assert refused.value.status == status


def test_a_request_without_websocket_is_told_so(served: Live) -> None:
    told = served.ask("GET", "/v1/stream")
    assert (told.status, told.kind) == (426, "upgrade-required")
    assert told.headers["Upgrade"] == "websocket"


@pytest.fixture(scope="module")
def narrow(served_folder: Path, fresh_database: str) -> Iterator[Live]:
    """A service with tight limits."""
    with live(
        served_folder,
        fresh_database,
        stream_window=4,
        stream_message_bytes=50_000,
        stream_idle_seconds=0.4,
        slow_client_seconds=0.5,
        max_connections=3,
        keys_seconds=0.1,
    ) as running:
        yield running


async def _close_code(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    while not socket.closed:
        await socket.receive(20)
    return socket.close_code


def test_a_message_that_is_too_large_ends_the_connection(narrow: Live) -> None:
    async def talk() -> int | None:
        async with opened(narrow.url, narrow.keys["score"]) as socket:
            await socket.send_str("x" * 60_000)
            return await _close_code(socket)

    assert run(talk()) == WSCloseCode.MESSAGE_TOO_BIG


def test_a_quiet_connection_is_closed(narrow: Live) -> None:
    async def talk() -> tuple[int | None, float]:
        async with opened(narrow.url, narrow.keys["score"]) as socket:
            start = time.monotonic()
            await socket.send_json(message("q"))
            return await _close_code(socket), time.monotonic() - start

    code, took = run(talk())
    assert code == WSCloseCode.OK
    assert 0.3 < took < 10


def test_more_connections_than_allowed_are_turned_away(narrow: Live) -> None:
    async def talk() -> int:
        key = narrow.keys["score"]
        async with opened(narrow.url, key), opened(narrow.url, key), opened(narrow.url, key):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with opened(narrow.url, key):
                    pass
        return refused.value.status

    assert run(talk()) == 503


def test_a_revoked_key_ends_the_connection(narrow: Live) -> None:
    from churnkit.usecases.operating import keys as usecases

    assert narrow.service is not None
    project = narrow.service.project
    made = usecases.create_key(project, "soon gone", ("score",))
    while narrow.ask("GET", "/v1/predictions", key=made.token).status == 401:
        time.sleep(0.05)  # the service looks for new keys twice a second

    async def talk() -> tuple[Any, int | None, int]:
        async with opened(narrow.url, made.token) as socket:
            await socket.send_json(message("before"))
            assert "predictions" in json.loads((await socket.receive(20)).data)
            await asyncio.to_thread(usecases.revoke, project, made.key.key_id)
            for n in range(100):
                await socket.send_json(message(f"after-{n}"))
                answer = json.loads((await socket.receive(20)).data)
                if "problem" in answer:
                    return answer, await _close_code(socket), n
                await asyncio.sleep(0.05)
        raise AssertionError("the key worked on")

    answer, code, n = run(talk())
    assert answer["problem"]["status"] == 401
    assert code == WSCloseCode.POLICY_VIOLATION
    assert recorded(narrow, f"after-{n}") == 0


def test_a_window_that_is_full_stops_the_reading(narrow: Live) -> None:
    """Commits hang: only so many messages are taken, however many are sent."""
    assert narrow.service is not None
    writer = narrow.service.writer
    submit, gate = writer.submit, threading.Event()
    taken: list[str] = []

    def held(
        parts: tuple[PredictionColumns, ...], kept: IdempotentAnswer | None = None
    ) -> asyncio.Future[bool]:
        taken.extend(parts[0].customer_ids)

        async def later() -> bool:
            while not gate.is_set():
                await asyncio.sleep(0.01)
            return await submit(parts, kept)

        return asyncio.ensure_future(later())

    async def talk() -> list[Any]:
        async with opened(narrow.url, narrow.keys["score"]) as socket:
            for i in range(40):
                await socket.send_json(message(f"win-{i}"))
            await asyncio.sleep(0.3)
            assert taken == [f"win-{i}" for i in range(4)]
            gate.set()
            return [json.loads((await socket.receive(20)).data) for _ in range(40)]

    writer.submit = held  # type: ignore[method-assign]
    try:
        answers = run(talk())
    finally:
        writer.submit = submit  # type: ignore[method-assign]
    assert [one["id"] for one in answers] == [f"win-{i}" for i in range(40)]


def test_a_client_that_takes_no_answers_is_dropped(narrow: Live) -> None:
    """Its socket is not read: the service gives it up, and holds nothing for it."""
    assert narrow.service is not None
    import socket as sockets

    host, port = narrow.url.removeprefix("http://").split(":")
    with sockets.create_connection((host, int(port))) as raw:
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
        raw.sendall(
            f"GET /v1/stream HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Authorization: Bearer {narrow.keys['score']}\r\n\r\n".encode()
        )
        assert b"101" in raw.recv(1_024)
        content = json.dumps(message("slow", *[item()] * 80, reasons=19)).encode()
        frame = bytes([0x81, 0xFE]) + len(content).to_bytes(2, "big") + b"\0\0\0\0" + content
        raw.settimeout(0.2)
        end = time.monotonic() + 30
        closed = 'churnkit_connections_closed_total{reason="slow",route="/v1/stream"} 1.0'
        while closed not in narrow.ask("GET", "/metrics").content.decode():
            assert time.monotonic() < end
            try:
                raw.sendall(frame)
            except OSError:
                time.sleep(0.05)
    while narrow.service.connections:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_client_gives_answers_in_order(served: Live) -> None:
    async def source() -> AsyncIterator[StreamRequest]:
        for i in range(50):
            await asyncio.sleep(0)
            yield stream_request({f"cl-{i}": FEATURES}, id=f"n-{i}")
        yield stream_request({"cl-bad": {**FEATURES, "tenure": "x"}}, id="bad")

    async def talk() -> list[StreamAnswer]:
        async with AsyncClient(served.url, key=served.keys["score"]) as client:
            return [answer async for answer in client.stream(source(), window=7)]

    answers = run(talk())
    assert [one.id for one in answers] == [*(f"n-{i}" for i in range(50)), "bad"]
    assert all(one.predictions for one in answers[:50])
    assert answers[50].problem is not None
    assert answers[50].problem.status == 422


def test_the_client_says_why_it_is_not_let_in(served: Live) -> None:
    async def talk() -> None:
        async with AsyncClient(served.url, key=served.keys["read"]) as client:
            async for _ in client.stream([stream_request({"x": FEATURES})]):
                pass

    with pytest.raises(ServiceRefused) as refused:
        run(talk())
    assert refused.value.where["status"] == 403


def test_the_client_says_that_a_message_is_too_large(narrow: Live) -> None:
    async def talk() -> None:
        async with AsyncClient(narrow.url, key=narrow.keys["score"]) as client:
            many = {f"c-{i}": FEATURES for i in range(200)}
            async for _ in client.stream([stream_request(many)]):
                pass

    with pytest.raises(ServiceRefused, match="larger"):
        run(talk())


def test_what_goes_wrong_at_the_source_is_raised_after_its_answers(served: Live) -> None:
    async def source() -> AsyncIterator[StreamRequest]:
        yield stream_request({"src-1": FEATURES}, id="one")
        raise KeyError("source")

    async def talk(got: list[str | None]) -> None:
        async with AsyncClient(served.url, key=served.keys["score"]) as client:
            async for answer in client.stream(source()):
                got += [answer.id]

    got: list[str | None] = []
    with pytest.raises(KeyError):
        run(talk(got))
    assert got == ["one"]


@pytest.mark.long
def test_a_rolling_restart_loses_no_message_and_scores_none_twice(
    served_folder: Path, postgres_url: str
) -> None:
    """One of two replicas is told to end, the other is killed and started anew, under a stream."""
    keys = prepare(served_folder, postgres_url)
    answered: list[StreamAnswer] = []
    over = threading.Event()

    async def source() -> AsyncIterator[StreamRequest]:
        n = 0
        while not over.is_set():
            yield stream_request({f"roll-{n}": FEATURES}, id=str(n))
            n += 1
            await asyncio.sleep(0.001)

    async def talk(*urls: str) -> None:
        async with AsyncClient(*urls, key=keys["score"]) as client:
            async for answer in client.stream(source(), window=16):
                answered[len(answered) :] = [answer]

    def wait_for(n: int) -> None:
        end = time.monotonic() + 60
        while len(answered) < n:
            assert time.monotonic() < end
            time.sleep(0.01)

    with (
        command(served_folder, postgres_url) as (one, url_one),
        command(served_folder, postgres_url) as (two, url_two),
    ):
        thread = threading.Thread(target=lambda: asyncio.run(talk(url_one, url_two)))
        thread.start()
        wait_for(50)
        one.send_signal(signal.SIGTERM)
        assert one.wait(30) == 0
        wait_for(len(answered) + 50)
        two.kill()
        two.wait()
        with command(served_folder, postgres_url, port=int(url_one.rpartition(":")[2])):
            wait_for(len(answered) + 50)
            over.set()
            thread.join(30)
            assert not thread.is_alive()
    assert [one.id for one in answered] == [str(n) for n in range(len(answered))]
    assert all(one.predictions for one in answered), [a for a in answered if not a.predictions][:3]
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = "select prediction_id, customer_id from predictions"
        rows = {row.prediction_id: row.customer_id for row in connection.execute(sa.text(query))}
    assert len(rows) == len(answered)
    assert len(set(rows.values())) == len(answered)
    told = {one.predictions[0].prediction_id: f"roll-{one.id}" for one in answered}
    assert told == rows


def test_at_the_end_what_was_read_is_answered_and_the_connection_closed(
    served_folder: Path, postgres_url: str
) -> None:
    answers: list[Any] = []
    began = threading.Event()

    async def talk(url: str, key: str) -> int | None:
        async with opened(url, key) as socket:
            for i in range(300):
                await socket.send_json(message(f"end-{i}"))
            while (found := await socket.receive(20)).type is WSMsgType.TEXT:
                answers.append(json.loads(found.data))
                began.set()
            return socket.close_code

    with ThreadPoolExecutor(1) as pool:
        with live(served_folder, postgres_url) as served:
            talking = pool.submit(run, talk(served.url, served.keys["score"]))
            assert began.wait(30)
        code = talking.result(30)
    assert code == WSCloseCode.GOING_AWAY
    assert [one["number"] for one in answers] == list(range(len(answers)))
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        n = connection.execute(sa.text("select count(*) from predictions")).scalar()
    assert n == len(answers)  # what was read was answered, and nothing else was scored
