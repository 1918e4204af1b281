"""The feed: what happens reaches every console, in order, bounded, and after a gap."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from churnkit_service import feed as feed_module

import churnkit as ck
from churnkit.client.asynchronous import AsyncClient
from churnkit.client.messages.feed import FeedEvent, FeedPrediction, FeedPredictions
from churnkit.errors import ServiceRefused
from churnkit.usecases import happenings
from churnkit.usecases.operating.keys import create_key, revoke
from tests.live import Live, command, item, live

REPLICAS = "long"
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do it on an event loop of its own, within a minute."""
    return asyncio.run(asyncio.wait_for(work, 60))


def announce(served: Live, kind: str, **document: Any) -> None:
    """Tell the consoles something."""
    assert served.service is not None
    happenings.announce(served.service.project, kind, document, at=datetime.now(UTC))


def nobody_looks_on(served: Live) -> None:
    """Wait until the service knows that its consoles have gone."""
    assert served.service is not None
    end = time.monotonic() + 20
    while served.service.connections:
        assert time.monotonic() < end
        time.sleep(0.01)


@asynccontextmanager
async def watching(
    served: Live, *kinds: str, last_event_id: str | None = None
) -> AsyncIterator[Callable[[str], Coroutine[Any, Any, FeedEvent]]]:
    """A feed that is open; the next event of a kind."""
    async with AsyncClient(served.url, key=served.keys["read"]) as client:
        feed = client.feed(kinds or None, last_event_id=last_event_id)
        try:
            hello = await anext(feed)
            assert hello.kind == "hello"

            async def following(kind: str) -> FeedEvent:
                async for event in feed:
                    if event.kind == kind:
                        return event
                raise AssertionError("the feed came to its end")

            yield following
        finally:
            await feed.aclose()


def test_predictions_are_told_one_by_one_and_counted(served: Live) -> None:
    async def watch() -> tuple[list[FeedPrediction], int]:
        async with watching(served, "prediction", "predictions") as following:
            for i in range(5):
                await asyncio.to_thread(served.predict, item(f"feed-{i}"))
            shown = [FeedPrediction(**(await following("prediction")).data) for _ in range(5)]
            n = 0
            while n < 5:
                counted = FeedPredictions(**(await following("predictions")).data)
                assert counted.n == sum(one.n for one in counted.counts)
                n += counted.n
            return shown, n

    shown, n = run(watch())
    assert [one.customer_id for one in shown] == [f"feed-{i}" for i in range(5)]
    assert not any(one.sampled for one in shown)
    assert n == 5
    recorded = served.ask("GET", f"/v1/predictions/{shown[0].prediction_id}").json
    assert recorded["probability"] == shown[0].probability


def test_what_is_announced_comes_once_in_order_and_only_what_is_wanted(served: Live) -> None:
    async def watch() -> tuple[list[FeedEvent], FeedEvent]:
        async with watching(served) as everything, watching(served, "alert") as alerts:
            for i in range(12):
                announce(served, "job", number=i)
            announce(served, "alert", what="drift")
            return [await everything("job") for _ in range(12)], await alerts("alert")

    jobs, alert = run(watch())
    assert [one.data["number"] for one in jobs] == list(range(12))
    assert alert.data["what"] == "drift"
    assert len({one.id for one in jobs}) == 12


def test_a_feed_goes_on_behind_the_last_event(served: Live) -> None:
    async def watch() -> tuple[FeedEvent, list[FeedEvent]]:
        async with watching(served, "job") as following:
            announce(served, "job", number="seen")
            seen = await following("job")
        for i in range(20):  # nobody looks on
            announce(served, "job", number=i)
        async with watching(served, "job", last_event_id=seen.id) as following:
            announce(served, "job", number="live")
            return seen, [await following("job") for _ in range(21)]

    _, after = run(watch())
    assert [one.data["number"] for one in after] == [*range(20), "live"]


def test_what_is_not_kept_any_more_is_a_gap(served: Live) -> None:
    assert served.service is not None
    project = served.service.project

    async def watch() -> list[str]:
        async with watching(served, "job") as following:
            announce(served, "job", number=0)
            seen = await following("job")
        await asyncio.to_thread(nobody_looks_on, served)
        for i in range(3):
            announce(served, "job", number=i)
        assert happenings.forget_happenings(project, datetime.now(UTC) + timedelta(days=1))
        async with AsyncClient(served.url, key=served.keys["read"]) as client:
            feed = client.feed({"job"}, last_event_id=seen.id)
            kinds = [(await anext(feed)).kind for _ in range(2)]
            await feed.aclose()
        return kinds

    assert run(watch()) == ["hello", "gap"]


@pytest.mark.parametrize("given", ["x", "1", "-1-2", "1-2-3", "9" * 30 + "-1"])
def test_an_id_that_is_none_of_ours_is_refused(served: Live, given: str) -> None:
    told = served.ask("GET", "/v1/feed", headers={"Last-Event-ID": given})
    assert (told.status, told.kind) == (422, "request-invalid")
    assert told.json["errors"][0]["field"] == "Last-Event-ID"


def test_who_may_not_read_is_not_let_in(served: Live) -> None:
    async def watch() -> None:
        async with AsyncClient(served.url, key=served.keys["score"]) as client:
            await anext(client.feed())

    with pytest.raises(ServiceRefused) as refused:
        run(watch())
    assert refused.value.where["status"] == 403
    assert served.ask("GET", "/v1/feed?kinds=A;B").status == 422
    foreign = served.ask("GET", "/v1/feed", headers={"Origin": "https://evil.example"})
    assert foreign.status == 403


@pytest.fixture(scope="module")
def two(served_folder: Path, fresh_database: str) -> Iterator[tuple[Live, Live]]:
    """Two replicas on one PostgreSQL, with tight limits."""
    limits: dict[str, Any] = {
        "heartbeat_seconds": 0.2, "slow_client_seconds": 0.5, "keys_seconds": 0.1,
        "reload_seconds": 0.1,
    }  # fmt: skip
    with (
        live(served_folder, fresh_database, **limits) as one,
        live(served_folder, fresh_database, **limits) as other,
    ):
        yield one, other


def test_another_replicas_happenings_and_changes_of_who_serves_are_told(
    two: tuple[Live, Live],
) -> None:
    here, there = two

    async def watch() -> tuple[FeedEvent, FeedEvent, FeedEvent]:
        async with watching(here) as following:
            announce(there, "job", number=1)
            job = await following("job")
            await asyncio.to_thread(there.predict, item("elsewhere"))
            shown = await following("prediction")
            assert there.service is not None
            await asyncio.to_thread(ck.promote, there.service.project, "v2", why="better")
            return job, shown, await following("journal")

    job, shown, entry = run(watch())
    assert job.data["number"] == 1
    assert shown.data["customer_id"] == "elsewhere"
    assert (entry.data["action"], entry.data["version"], entry.data["why"]) == (
        "promote", "v2", "better",
    )  # fmt: skip
    assert "evidence" not in entry.data


def test_one_goes_on_at_a_replica_that_has_not_looked_yet(
    two: tuple[Live, Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the one replica told is neither told again by the other nor taken for lost."""
    here, there = two
    monkeypatch.setattr(feed_module, "_SHORTEST_PAUSE", 0.9)
    monkeypatch.setattr(feed_module, "_LOOK_SECONDS", 0.9)

    async def watch() -> list[FeedEvent]:
        async with watching(there, "job"):
            await asyncio.sleep(0.2)
            async with watching(here, "job") as following:
                await asyncio.sleep(0.8)  # the other one has looked just now
                announce(here, "job", number="seen")
                seen = await following("job")
            async with AsyncClient(there.url, key=there.keys["read"]) as client:
                feed = client.feed({"job"}, last_event_id=seen.id)
                announce(here, "job", number="new")
                events = [await anext(feed) for _ in range(2)]
                await feed.aclose()
                return events

    hello, event = run(watch())
    assert hello.kind == "hello"
    assert event.data["number"] == "new"


def test_an_announcement_is_told_at_once_on_postgresql(two: tuple[Live, Live]) -> None:
    """The database tells; a look by the clock would come up to half a second later."""
    here, there = two

    async def watch() -> float:
        async with watching(here, "job") as following:
            took = []
            await asyncio.sleep(0.7)  # the listener has connected
            for i in range(5):
                await asyncio.sleep(0.31)
                start = time.monotonic()
                await asyncio.to_thread(announce, there, "job", number=i)
                await following("job")
                took.append(time.monotonic() - start)
            return min(took)

    assert run(watch()) < 0.2


def test_a_flood_of_predictions_is_sampled_and_counted(two: tuple[Live, Live]) -> None:
    """However many there are, a console gets some hundred events a second."""
    here, _ = two

    async def watch() -> tuple[list[FeedEvent], int, float]:
        async with AsyncClient(here.url, key=here.keys["read"]) as client:
            feed = client.feed()
            assert (await anext(feed)).kind == "hello"
            start = time.monotonic()
            done = asyncio.create_task(asyncio.to_thread(flood))
            events: list[FeedEvent] = []
            n = 0
            async for event in feed:
                events.append(event)
                if event.kind == "predictions":
                    n += event.data["n"]
                if done.done() and n >= 6_000:
                    break
            await feed.aclose()
            return events, n, time.monotonic() - start

    def flood() -> None:
        for _ in range(12):
            assert here.predict(*[item("many")] * 500).status == 200

    events, n, took = run(watch())
    assert 6_000 <= n <= 6_001  # one of the test before may count, too
    shown = [one for one in events if one.kind == "prediction"]
    assert len(shown) <= 80 * (took + 1)
    assert len({one.data["prediction_id"] for one in shown}) == len(shown)
    assert any(one.data["sampled"] for one in shown)
    assert len(events) <= 105 * (took + 1)


def test_a_quiet_feed_shows_that_it_is_alive(two: tuple[Live, Live]) -> None:
    async def watch() -> bytes:
        async with (
            aiohttp.ClientSession(headers=_header(two[0], "read")) as session,
            session.get(f"{two[0].url}/v1/feed?kinds=job") as answer,
        ):
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            while True:
                line = await answer.content.readline()
                if line.startswith(b":"):
                    return line

    assert run(watch()) == b": alive\n"


def _header(served: Live, key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.keys.get(key, key)}"}


def test_a_revoked_key_ends_the_feed(two: tuple[Live, Live]) -> None:
    served = two[0]
    assert served.service is not None
    project = served.service.project
    made = create_key(project, "soon gone", ("read",))
    while served.ask("GET", "/v1/predictions", key=made.token).status == 401:
        time.sleep(0.05)

    async def watch() -> bytes:
        async with (
            aiohttp.ClientSession(headers=_header(served, made.token)) as session,
            session.get(f"{served.url}/v1/feed") as answer,
        ):
            assert b"retry" in await answer.content.readline()
            await asyncio.to_thread(revoke, project, made.key.key_id)
            return await answer.content.read()

    assert b'event: end\ndata: {"reason":"key"}' in run(watch())


def test_a_console_that_takes_nothing_is_dropped(two: tuple[Live, Live]) -> None:
    """Its socket is not read: the service gives it up, and keeps nothing for it."""
    served = two[1]
    assert served.service is not None
    host, port = served.url.removeprefix("http://").split(":")
    closed = 'churnkit_connections_closed_total{reason="slow",route="/v1/feed"} 1.0'
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        raw.connect((host, int(port)))
        head = f"GET /v1/feed HTTP/1.1\r\nHost: {host}:{port}\r\n"
        raw.sendall(f"{head}Authorization: Bearer {served.keys['read']}\r\n\r\n".encode())
        assert b"200" in raw.recv(64)
        end = time.monotonic() + 40
        while closed not in served.ask("GET", "/metrics").content.decode():
            assert time.monotonic() < end
            announce(served, "job", text="x" * 200_000)
    nobody_looks_on(served)


def test_with_nobody_to_tell_nothing_is_asked(two: tuple[Live, Live]) -> None:
    service = two[0].service
    assert service is not None
    end = time.monotonic() + 10
    while any(not task.done() for task in service.feed._tasks):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_numbers_of_happenings_rise_in_the_order_of_their_commits(
    two: tuple[Live, Live],
) -> None:
    """Many announce at once; who reads from number to number misses none of them."""
    service = two[0].service
    assert service is not None
    project = service.project
    _, _, last = happenings.feed_ends(project)
    seen: list[int] = []
    over = threading.Event()

    def read() -> None:
        at = last
        while True:
            finished = over.is_set()
            for one in happenings.happenings_after(project, at, 1_000):
                seen.append(one.sequence)
                at = one.sequence
            if finished:
                return

    reader = threading.Thread(target=read)
    reader.start()

    def write(served: Live) -> None:
        for i in range(25):
            announce(served, "job", n=i)

    writers = [threading.Thread(target=write, args=(two[n % 2],)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    over.set()
    reader.join(30)
    assert len(seen) == 100


def test_the_end_of_the_service_is_told_and_the_client_goes_on_elsewhere(
    served_folder: Path, postgres_url: str
) -> None:
    with (
        command(served_folder, postgres_url) as (one, url_one),
        live(served_folder, postgres_url) as second,
    ):

        async def watch() -> list[str]:
            async with AsyncClient(url_one, second.url, key=second.keys["read"]) as client:
                feed = client.feed({"prediction"})
                kinds = [(await anext(feed)).kind]
                one.send_signal(signal.SIGTERM)
                kinds.append((await anext(feed)).kind)  # from the other one
                await asyncio.to_thread(second.predict, item("after"))
                event = await anext(feed)
                kinds.append(event.data["customer_id"])
                await feed.aclose()
                return kinds

        assert run(watch()) == ["hello", "hello", "after"]
        assert one.wait(30) == 0


def test_every_documented_answer_of_the_feed_is_given(
    served_folder: Path, postgres_url: str
) -> None:
    """Schemathesis cannot look at it: its answer has no end."""
    with live(served_folder, postgres_url, max_connections=1, rate_per_second=0.001) as served:
        assert served.service is not None
        project = served.service.project
        found: dict[str, str] = {}
        # Before the first request reads them; each may ask once.
        tokens = iter([create_key(project, "once", ("read",)).token for _ in range(6)])

        def look(**asked: Any) -> None:
            query = asked.pop("query", "")
            key = asked.pop("key", "") or next(tokens)
            answer = served.pool.request(
                "GET",
                f"{served.url}/v1/feed{query}",
                headers={"Authorization": f"Bearer {served.keys.get(key, key)}", **asked},
                preload_content=False,
            )
            if answer.status == 200:
                assert answer.read(6, decode_content=True) == b"retry:"
                told = served.ask("GET", "/v1/feed", key="admin")  # only one may be open
                found[str(told.status)] = told.headers["Content-Type"]
                assert (told.kind, told.headers["Retry-After"]) == ("overloaded", "1")
            found[str(answer.status)] = answer.headers["Content-Type"]
            answer.close()
            nobody_looks_on(served)

        contract = served.ask("GET", "/openapi.json").json
        responses = contract["paths"]["/v1/feed"]["get"]["responses"]
        look()
        look(key="nobody")
        look(key="score")
        look(query="?kinds=%00")
        look(**{"Last-Event-ID": "first"})
        once = next(tokens)
        look(key=once)
        look(key=once)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(served.service.feed, "subscribe", None)
            look()
        found["400"] = _malformed(served.url)
        look(Expect="wonders")
        assert set(found) == set(responses), found
        for status, content_type in found.items():
            (documented,) = responses[status]["content"]
            assert content_type.partition(";")[0] == documented, status


def _malformed(url: str) -> str:
    """The type of the answer to what is no HTTP."""
    host, port = url.rpartition("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        plain.sendall(b"GET /v1/feed HTTP/1.1\r\nno header\r\n\r\n")
        told = b""
        while some := plain.recv(4_096):
            told += some
    head = told.partition(b"\r\n\r\n")[0].decode().lower()
    assert head.startswith("http/1.0 400"), head
    return next(line for line in head.splitlines() if line.startswith("content-type")).split()[1]
