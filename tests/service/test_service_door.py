"""Who only asks for predictions is answered at the door: as by aiohttp, only quicker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from churnkit_service.answering import answer, at_once
from churnkit_service.plain_requests import END, Head, read_head
from churnkit_service.reading import Asked

from tests.copies import copy_project
from tests.live import FEATURES, Live, item, live
from tests.raw_http import body, connect, receive, request, told

PLAIN = (
    b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
    b"Content-Type: application/json\r\nContent-Length: 12"
)


# --- heads


def test_a_plain_head_is_read() -> None:
    assert read_head(PLAIN) == Head(12, "Bearer k", None)
    more = (
        PLAIN + b"\r\nX-Request-Id: a-1\r\nuser-agent:  curl/8 (x; y)\r\nX-Forwarded-For: 1.2.3.4"
    )
    assert read_head(more) == Head(12, "Bearer k", "a-1")
    lower = (
        PLAIN.replace(b"Content-Length: 12", b"content-length:\t7 ") + b"\r\nCONNECTION: Keep-Alive"
    )
    assert read_head(lower) == Head(7, "Bearer k", None)


@pytest.mark.parametrize(
    "changed",
    [
        PLAIN.replace(b"POST", b"GET"),
        PLAIN.replace(b"/v1/predictions", b"/v1/predictions/"),
        PLAIN.replace(b"/v1/predictions", b"/v1/predictions?x=1"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"Host: x\r\n", b""),
        PLAIN.replace(b"Authorization: Bearer k\r\n", b""),
        PLAIN.replace(b"Content-Type: application/json\r\n", b""),
        PLAIN.replace(b"application/json", b"application/json; charset=utf-8"),
        PLAIN.replace(b"application/json", b"text/plain"),
        PLAIN.replace(b"Length: 12", b"Length: +12"),
        PLAIN.replace(b"Length: 12", b"Length: 012"),
        PLAIN.replace(b"Length: 12", b"Length: -1"),
        PLAIN.replace(b"Length: 12", b"Length: 1e1"),
        PLAIN.replace(b"Length: 12", b"Length: 12, 12"),
        PLAIN.replace(b"Length: 12", b"Length:"),
        PLAIN.replace(b"Length: 12", b"Length: 9999999999"),
        PLAIN.replace(b"Content-Length: 12", b"X: y"),
        PLAIN + b"\r\nContent-Length: 12",
        PLAIN + b"\r\ncontent-length: 13",
        PLAIN + b"\r\nAuthorization: Bearer other",
        PLAIN + b"\r\nHost: y",
        PLAIN + b"\r\nTransfer-Encoding: chunked",
        PLAIN + b"\r\nTransfer-Encoding : chunked",
        PLAIN + b"\r\nContent-Encoding: gzip",
        PLAIN + b"\r\nExpect: 100-continue",
        PLAIN + b"\r\nUpgrade: websocket",
        PLAIN + b"\r\nConnection: close",
        PLAIN + b"\r\nConnection: keep-alive, upgrade",
        PLAIN + b"\r\nIdempotency-Key: k",
        PLAIN + b"\r\nOrigin: https://x.example",
        PLAIN + b"\r\nX: a\r\n folded: b",
        PLAIN + b"\r\nX: a\nTransfer-Encoding: chunked",
        PLAIN + b"\r\nX: a\rY: b",
        PLAIN + b"\r\nX: \0",
        PLAIN + b"\r\nX: \xe9",
        PLAIN + b"\r\nX",
        PLAIN + b"\r\n: x",
        PLAIN + b"\r\nX: " + b"a" * 5_000,
    ],
)  # fmt: skip
def test_any_other_head_is_left_to_aiohttp(changed: bytes) -> None:
    assert changed != PLAIN
    assert read_head(changed) is None


# --- connections


@pytest.fixture(scope="module")
def quick(served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A service that does not wait long for anybody."""
    folder = tmp_path_factory.mktemp("door") / "project"
    copy_project(served_folder, folder)
    with live(folder, body_timeout_seconds=0.5, idle_timeout_seconds=1.2) as running:
        yield running


def at_the_door(served: Live) -> int:
    """So many connections are at the door."""
    assert served.service is not None
    return served.service.at_the_door()


@pytest.mark.parametrize(
    ("content", "key", "kind"),
    [
        (body(), "all", "application/json"),
        (
            body(item("c1"), item("c2", Contract="Never seen"), item("c3")),
            "all",
            "application/json",
        ),
        (body(item(), reasons=3), "all", "application/json"),
        (body(*[item(f"c{i}") for i in range(200)]), "all", "application/json"),
        (body(item(), item(tenure="x"), on_error="skip"), "all", "application/json"),
        (body(item(tenure="x")), "all", "application/json"),
        (body({"customer_id": "unknown"}), "all", "application/json"),
        (b'{"items": []}', "all", "application/json"),
        (b'{"items"', "all", "application/json"),
        (b"", "all", "application/json"),
        (body(), "read", "application/json"),
        (body(), "nobody", "application/json"),
        (body(), "all", "text/plain"),
    ],
)
def test_both_ways_give_the_same_answer(quick: Live, content: bytes, key: str, kind: str) -> None:
    token = quick.keys.get(key, key)
    answers = [
        told(quick, request(content, token, *way, "X-Request-Id: one", kind=kind))
        for way in ((), ("TE: trailers",))  # the second one is not plain
    ]
    for _, headers, content_ in answers:
        del headers["date"]
        for prediction in content_.get("predictions", ()):
            assert len(prediction.pop("prediction_id")) == 32
    (status, headers, found), (status_, headers_, found_) = answers
    headers.pop("content-length"), headers_.pop("content-length")
    assert (status, headers, found) == (status_, headers_, found_)
    assert headers["x-request-id"] == "one"


def test_what_is_answered_is_recorded_and_counted(quick: Live) -> None:
    before = quick.ask("GET", "/metrics").content.decode()
    status, headers, found = told(quick, request(body(item("door")), quick.keys["all"]))
    assert status == 200
    assert len(headers["x-request-id"]) == 32
    name = found["predictions"][0]["prediction_id"]
    recorded = quick.ask("GET", f"/v1/predictions/{name}").json
    assert recorded["customer_id"] == "door"
    assert recorded["probability"] == found["predictions"][0]["probability"]
    label = 'churnkit_http_requests_total{method="POST",route="/v1/predictions",status="200"}'
    after = quick.ask("GET", "/metrics").content.decode()
    counts = [
        sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(label))
        for text in (before, after)
    ]
    assert counts[1] == counts[0] + 1


def test_one_connection_asks_many_times_in_pieces_and_then_for_something_else(quick: Live) -> None:
    key = quick.keys["all"]
    with connect(quick) as connection:
        for n in range(3):
            connection.sendall(request(body(item(f"w{n}")), key))
            assert receive(connection)[2]["predictions"][0]["customer_id"] == f"w{n}"
        message = request(body(*[item(f"p{i}") for i in range(40)]), key)
        end = message.index(END) + 4
        for piece in (message[:end], message[end : end + 10], message[end + 10 :]):
            connection.sendall(piece)
            time.sleep(0.02)
        assert len(receive(connection)[2]["predictions"]) == 40
        assert at_the_door(quick) >= 1
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert receive(connection)[0] == 200
        connection.sendall(request(body(item("last")), key))
        assert receive(connection)[2]["predictions"][0]["customer_id"] == "last"


def test_a_head_in_pieces_and_an_expectation_are_aiohttps(quick: Live) -> None:
    message = request(body(item("pieces")), quick.keys["all"])
    with connect(quick) as connection:
        for piece in (message[:9], message[9:60], message[60:]):
            connection.sendall(piece)
            time.sleep(0.02)
        assert receive(connection)[0] == 200
    message = request(body(item("expects")), quick.keys["all"], "Expect: 100-continue")
    with connect(quick) as connection:
        connection.sendall(message[: message.index(END) + 4])
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(message[message.index(END) + 4 :])
        assert receive(connection)[0] == 200


def test_requests_sent_ahead_are_answered_in_order(quick: Live) -> None:
    key = quick.keys["all"]
    messages = [request(body(item(f"o{n}")), key) for n in range(6)]
    for n in (6, 2):
        with connect(quick) as connection:
            connection.sendall(b"".join(messages[:n]))
            for i in range(n):
                assert receive(connection)[2]["predictions"][0]["customer_id"] == f"o{i}"
    with connect(quick) as connection:  # while the first one is being answered
        slow = request(body(*[item(f"s{i}") for i in range(300)], reasons=2), key)
        connection.sendall(slow)
        time.sleep(0.05)
        connection.sendall(messages[0])
        assert len(receive(connection)[2]["predictions"]) == 300
        assert receive(connection)[2]["predictions"][0]["customer_id"] == "o0"


def test_who_is_slow_or_silent_is_let_go(quick: Live) -> None:
    message = request(body(), quick.keys["all"])
    with connect(quick) as connection:
        connection.sendall(message[:-20])
        status, headers, found = receive(connection)
        assert (status, headers["connection"]) == (408, "close")
        assert found["type"] == "/problems/request-timeout"
        assert connection.recv(10) == b""
    with connect(quick) as connection:
        connection.sendall(message)
        assert receive(connection)[0] == 200
        start = time.monotonic()
        assert connection.recv(10) == b""
        assert time.monotonic() - start > 1.0
    with connect(quick) as connection:  # never asks
        assert connection.recv(10) == b""


def test_who_leaves_before_the_answer_leaves_nothing_behind(quick: Live) -> None:
    for n in range(5):
        with connect(quick) as connection:
            connection.sendall(request(body(item(f"gone{n}")), quick.keys["all"]))
    assert quick.service is not None
    end = time.monotonic() + 20
    while quick.service.in_flight or at_the_door(quick):
        assert time.monotonic() < end
        time.sleep(0.05)
    page = quick.ask("GET", "/v1/predictions?customer_id=gone4").json["predictions"]
    assert len(page) <= 1  # it may have left before it was read; nothing is recorded twice


def test_too_many_requests_and_too_large_ones_are_refused(
    served_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    with live(
        folder, rate_per_second=3.0, max_body_bytes=2_000, cors_origins=("https://x.example",)
    ) as served:
        key = served.keys["all"]
        answers = [told(served, request(body(item(f"r{n}")), key)) for n in range(8)]
        found = {status for status, _, _ in answers}
        assert found == {200, 429}
        assert all(headers["vary"] == "origin" for _, headers, _ in answers)
        time.sleep(1.0)
        large = body(*[item(f"l{i}") for i in range(20)])
        assert told(served, request(large, key))[0] == 413


def test_what_is_being_answered_is_answered_when_the_service_ends(
    served_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    with live(folder) as served:
        idle, busy = connect(served), connect(served)
        idle.sendall(request(body(), served.keys["all"]))
        assert receive(idle)[0] == 200
        many = [item(f"e{i}") for i in range(400)]
        busy.sendall(request(body(*many, reasons=1), served.keys["all"]))
        assert served.service is not None
        end = time.monotonic() + 20
        while not served.service.in_flight:
            assert time.monotonic() < end
        served.service.draining = True
    status, headers, found = receive(busy)
    assert (status, headers["connection"], len(found["predictions"])) == (200, "close", 400)
    assert idle.recv(10) == b""
    idle.close(), busy.close()


@pytest.mark.parametrize("n", [1, 63])
def test_what_is_answered_at_once_has_nothing_to_wait_for(quick: Live, n: int) -> None:
    assert quick.service is not None
    asking = type("Asking", (), {"service": quick.service, "request_id": "x"})()
    asked = Asked([f"c{i}" for i in range(n)], [FEATURES] * n, range(n))
    assert at_once(quick.service, asked)
    with pytest.raises(StopIteration) as end:  # it never gave the event loop anything to wait for
        answer(asking, asked).send(None)
    assert len(end.value.value.parts[0]) == n
    assert not at_once(quick.service, Asked(["c"], [FEATURES], range(1), reasons=1))
    assert not at_once(quick.service, Asked(["c"], [None], range(1)))
    assert not at_once(quick.service, Asked(["c"] * 64, [FEATURES] * 64, range(64)))
