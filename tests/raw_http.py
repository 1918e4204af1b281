"""Requests byte by byte, as no client library would send them."""

from __future__ import annotations

import json
import socket
from typing import Any

from churnkit_service.plain_requests import END

from tests.live import Live, item


def body(*items: dict[str, Any], **asked: Any) -> bytes:
    return json.dumps({"items": list(items or (item(),)), **asked}).encode()


def request(content: bytes, key: str, *more: str, kind: str = "application/json") -> bytes:
    lines = [
        "POST /v1/predictions HTTP/1.1", "Host: x", f"Authorization: Bearer {key}",
        f"Content-Type: {kind}", f"Content-Length: {len(content)}", *more,
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + END + content


def connect(served: Live) -> socket.socket:
    host, _, port = served.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=20)


def receive(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """One answer."""
    data = b""
    while not data.endswith(END):  # not a byte more: the next answer may follow
        more = connection.recv(1)
        assert more, data
        data += more
    status, *lines = data.removesuffix(END).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    rest = b""
    while len(rest) < int(headers["content-length"]):
        rest += connection.recv(int(headers["content-length"]) - len(rest))
    return int(status.split()[1]), headers, json.loads(rest)


def told(served: Live, message: bytes) -> tuple[int, dict[str, str], Any]:
    with connect(served) as connection:
        connection.sendall(message)
        return receive(connection)
