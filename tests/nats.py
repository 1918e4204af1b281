"""A real NATS server with JetStream for tests, in a folder and on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Nats:
    """A server that a test may stop and start again; its streams are in a folder that stays."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        binary = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert binary, "nats-server is not installed: packaging/system.sh tests installs it"
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binary, "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(self._home)],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 30
        while True:
            assert self._process.poll() is None, (self._home / "log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self._port), 1) as probe:
                    if probe.recv(4).startswith(b"INFO"):
                        return
            except OSError:
                pass
            assert time.monotonic() < end, "nats-server did not start"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, or kill it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


@contextmanager
def own_nats() -> Iterator[Nats]:
    """A server for a block."""
    home = Path(tempfile.mkdtemp(prefix="churnkit-nats-"))
    server = Nats(home)
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
