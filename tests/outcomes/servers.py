"""A web server and a mail server on this machine, which keep what they are sent."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer


@dataclass
class Hook:
    """What was posted; ``status`` is the answer."""

    url: str = ""
    status: int = 204
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def webhook() -> Iterator[Hook]:
    """A web server that takes POSTs."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            hook.headers.append(dict(self.headers))
            self.send_response(hook.status)
            if hook.status == 302:
                self.send_header("Location", hook.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}/secret-path"
        with _running(server):
            yield hook


@dataclass
class Mailbox:
    """What was mailed."""

    port: int = 0
    mails: list[str] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    refuse: str = ""
    """A receiver that is refused."""


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A server that speaks as much SMTP (RFC 5321) as a client needs."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 ready")
            while line := self.rfile.readline().decode().strip():
                word = line[:4].upper()
                if word == "DATA":
                    self._say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        lines.append(text)
                    box.mails.append("\n".join(lines))
                    self._say("250 taken")
                elif word == "RCPT" and box.refuse and box.refuse in line:
                    self._say("550 unknown")
                elif word == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    if word == "RCPT":
                        box.receivers.append(line.partition("<")[2].partition(">")[0])
                    self._say("250 fine")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        box.port = server.server_address[1]
        with _running(server):
            yield box


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
