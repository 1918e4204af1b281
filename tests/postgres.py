"""A real PostgreSQL for tests: started in a folder of its own, by a user who is not root."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from churnkit_service.local_postgres import LocalPostgres


class Postgres(LocalPostgres):
    """A server of a test's own."""

    @property
    def programs(self) -> Path:
        """Where its programs are, such as ``pg_dump``."""
        assert self._programs is not None, "it was not started"
        return self._programs

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the block runs, no process of the server does anything."""
        server = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        stopped = [server, *server.children(recursive=True)]
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()


@contextmanager
def own_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A server that a test may stop and start again.

    Parameters
    ----------
    durable : write through to the disk as in production; tests of logic are quicker without
    """
    home = Path(tempfile.mkdtemp(prefix="churnkit-postgres-"))
    server = Postgres(home, options=() if durable else ("fsync=off", "full_page_writes=off"))
    try:
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[str]:
    """A server on a free port; gives the URL of its database ``postgres``."""
    with own_postgres(durable=durable) as server:
        yield server.url
