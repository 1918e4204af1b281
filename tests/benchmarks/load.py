"""A load generator that costs little: keep-alive connections that send prepared requests.

``python tests/benchmarks/load.py URL BODIES SECONDS CONNECTIONS [HEADER …]`` prints one line of
JSON: requests, errors, seconds, and latencies' quantiles in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop


class Connection(asyncio.Protocol):
    """Sends one request after the other."""

    def __init__(self, requests: list[bytes], start: int, end: float) -> None:
        self.requests, self.at, self.end = requests, start, end
        self.latencies: list[float] = []
        self.errors = 0
        self.done = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.at = (self.at + 1) % len(self.requests)
        self.sent = time.perf_counter()
        self.transport.write(self.requests[self.at])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lowered = self.buffer[:head].lower()
        place = lowered.find(b"content-length:")
        length = int(lowered[place + 15 : (lowered + b"\r\n").find(b"\r\n", place)])
        if len(self.buffer) < head + 4 + length:
            return
        now = time.perf_counter()
        self.latencies.append(now - self.sent)
        self.errors += not self.buffer.startswith(b"HTTP/1.1 200")
        self.buffer = b""
        if now < self.end:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(url: str, bodies: list[bytes], seconds: float, n: int, headers: list[str]) -> dict:
    """Send for so long on n connections."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json"
    head = "\r\n".join([head, *headers])
    requests = [f"{head}\r\nContent-Length: {len(b)}\r\n\r\n".encode() + b for b in bodies]
    loop = asyncio.get_running_loop()
    start = time.perf_counter()
    made = [
        await loop.create_connection(
            lambda i=i: Connection(requests, i * len(requests) // n, start + seconds),
            parts.hostname,
            parts.port,
        )
        for i in range(n)
    ]
    await asyncio.gather(*(connection.done for _, connection in made))
    took = time.perf_counter() - start
    latencies = sorted(t for _, connection in made for t in connection.latencies)
    return {
        "requests": len(latencies),
        "errors": sum(connection.errors for _, connection in made),
        "seconds": took,
        "p50": 1e3 * latencies[len(latencies) // 2],
        "p99": 1e3 * latencies[int(len(latencies) * 0.99)],
    }


if __name__ == "__main__":
    url, file, seconds, connections, *headers = sys.argv[1:]
    bodies = Path(file).read_bytes().splitlines()
    told = uvloop.run(load(url, bodies, float(seconds), int(connections), headers))
    print(json.dumps(told))
