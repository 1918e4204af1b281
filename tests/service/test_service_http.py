"""HTTP as attackers, old clients and bad networks speak it: on both sides of the door."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from churnkit_service.plain_requests import END

from tests.copies import copy_project
from tests.live import Live, item, live
from tests.raw_http import body, connect, receive, request

PATIENCE_SECONDS = 1.0


@pytest.fixture(scope="module")
def strict(served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A service that does not wait long for anybody."""
    folder = tmp_path_factory.mktemp("strict") / "project"
    copy_project(served_folder, folder)
    with live(
        folder,
        idle_timeout_seconds=1.0,
        body_timeout_seconds=1.0,
        request_timeout_seconds=PATIENCE_SECONDS,
    ) as running:
        yield running


def rest(connection: socket.socket) -> bytes:
    """What comes until the service closes the connection."""
    data = b""
    try:
        while more := connection.recv(65_536):
            data += more
    except ConnectionResetError:
        pass
    return data


MALFORMED = {
    "length and coding": ("Transfer-Encoding: chunked",),
    "an unknown coding": ("Transfer-Encoding: xchunked",),
    "the same length twice": ("Content-Length: 10",),
    "a name with a space": ("X-A : b",),
    "a folded header": ("X-A: b\r\n c",),
    "a zero byte": ("X-A: \0",),
    "two hosts": ("Host: y",),
    "a header that is too long": ("X-A: " + "b" * 9_000,),
    "too many headers": tuple(f"X-{i}: b" for i in range(500)),
}


@pytest.mark.parametrize("more", MALFORMED.values(), ids=MALFORMED)
def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(
    strict: Live, more: tuple[str, ...]
) -> None:
    """Nothing behind it is taken for a request: it could be one that somebody else hid there."""
    hidden = b"0\r\n\r\nPOST /v1/predictions HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(strict) as connection:
        connection.sendall(request(hidden, strict.keys["all"], *more))
        status, headers, found = receive(connection)
        assert (status, found["type"]) == (400, "/problems/request-malformed")
        assert headers["content-type"] == "application/problem+json"
        assert len(headers["x-request-id"]) == 32
        assert rest(connection) == b""


@pytest.mark.parametrize(
    ("target", "status", "kind"),
    [
        ("CONNECT other.example:443 HTTP/1.1\r\nHost: x", 404, "not-found"),
        ("OPTIONS * HTTP/1.1\r\nHost: x", 404, "not-found"),
        ("GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: wonders", 417, "expectation-unknown"),
        ("GET /healthz HTTP/1.1", 400, "request-malformed"),
        ("\x16\x03\x01 TLS", 400, "request-malformed"),
    ],
)
def test_what_aiohttp_answers_itself_is_a_problem_like_all_others(
    strict: Live, target: str, status: int, kind: str
) -> None:
    with connect(strict) as connection:
        connection.sendall(target.encode() + END)
        found_status, _, found = receive(connection)
    assert (found_status, found["type"]) == (status, f"/problems/{kind}")
    counted = f'churnkit_http_requests_total{{method="other",route="unmatched",status="{status}"}}'
    assert counted in strict.ask("GET", "/metrics").content.decode()
    assert strict.ask("GET", f"/problems/{kind}", key=None).status in (200, 302, 303)


def test_wherever_a_request_is_cut_into_packets_it_is_answered(strict: Live) -> None:
    message = request(body(item("cut")), strict.keys["all"])
    host, _, port = strict.url.removeprefix("http://").rpartition(":")

    async def cut_at(place: int) -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(message[:place])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(message[place:])
        status = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
        return status

    async def everywhere() -> set[bytes]:
        found: set[bytes] = set()
        places = range(1, len(message))
        for start in range(0, len(places), 250):
            part = places[start : start + 250]
            found |= set(await asyncio.gather(*[cut_at(place) for place in part]))
        return found

    assert asyncio.run(everywhere()) == {b"HTTP/1.1 200 OK\r\n"}


def test_chunks_old_clients_and_errors_keep_the_connection_in_step(strict: Live) -> None:
    key = strict.keys["all"]
    plain, wrong = request(body(item("plain")), key), request(body(item(tenure="x")), key)
    chunked = (
        plain.partition(END)[0].replace(b"Content-Length", b"X-Length")
        + b"\r\nTransfer-Encoding: chunked"
        + END
    )
    content = body(item("chunks"))
    for piece in (content[:7], content[7:]):
        chunked += b"%x\r\n%b\r\n" % (len(piece), piece)
    chunked += b"0\r\n\r\n"
    with connect(strict) as connection:
        connection.sendall(wrong + request(b'{"items"', key) + chunked + plain)
        assert [receive(connection)[0] for _ in range(4)] == [422, 400, 200, 200]
    old = plain.replace(b"HTTP/1.1", b"HTTP/1.0")
    with connect(strict) as connection:
        connection.sendall(old)
        assert receive(connection)[0] == 200
        assert rest(connection) == b""
    with connect(strict) as connection:  # says more than it sends
        connection.sendall(request(content, key).replace(b"Length: ", b"Length: 1"))
        status, _, found = receive(connection)
        assert (status, found["type"]) == (408, "/problems/request-timeout")
        assert rest(connection) == b""


@pytest.mark.parametrize("way", ["door", "aiohttp"])
def test_who_does_not_take_his_answers_is_let_go(strict: Live, way: str) -> None:
    """However much he asks for, no more than a few answers are held for him."""
    assert strict.service is not None
    message = request(body(*[item(f"n{i}") for i in range(500)]), strict.keys["all"])
    if way == "aiohttp":
        message = b"GET /openapi.json HTTP/1.1\r\nHost: x" + END
    with connect(strict) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.settimeout(0.1)
        end = time.monotonic() + 30
        while True:  # until the service takes nothing, and then until it lets go
            assert time.monotonic() < end
            try:
                connection.send(message)
            except TimeoutError:
                continue
            except OSError:
                break
    while strict.service.in_flight or strict.service.at_the_door():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert strict.predict(item()).status == 200


def test_half_a_request_behind_another_does_not_hold_the_end_up(
    served_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    with live(folder) as served:
        key = served.keys["all"]
        slow = request(body(*[item(f"h{i}") for i in range(400)], reasons=1), key)
        half = request(body(), key)[:-20]
        connection = connect(served)
        connection.sendall(slow)
        assert served.service is not None
        end = time.monotonic() + 20
        while not served.service.in_flight:
            assert time.monotonic() < end
        connection.sendall(half)
        served.service.draining = True
        start = time.monotonic()
    assert time.monotonic() - start < 10
    status, headers, found = receive(connection)
    assert (status, headers["connection"], len(found["predictions"])) == (200, "close", 400)
    assert rest(connection) == b""
    connection.close()


def test_the_numbers_that_json_does_not_have(strict: Live) -> None:
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
        content = json.dumps({"items": [item("nan")]}).encode()
        content = content.replace(b'"tenure": 1,', b'"tenure": %b,' % number)
        assert number in content
        told = strict.ask("POST", "/v1/predictions", content)
        assert (told.status, told.kind) == (400, "body-malformed"), number
