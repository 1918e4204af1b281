"""Starting the service: the project, its database, one process or several."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from churnkit.errors import SettingsInvalid, StorageUnreachable
from churnkit.project import Project
from churnkit.settings.service import ServiceTable
from churnkit.settings.whole import Settings
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.operating.keys import create_key
from churnkit.usecases.operating.online import example_item, open_for_service, ping
from churnkit_service.local_postgres import LocalPostgres, home_for

LISTENER = "CHURNKIT_LISTENER"
DEVELOPMENT = "CHURNKIT_DEVELOPMENT"
_RESTART_SECONDS = 1.0
Tell = Callable[[str], None]


def run_service(
    folder: Path,
    *,
    database_url: str,
    host: str | None,
    port: int | None,
    workers: int | None,
    development: bool,
    local_postgres: bool = False,
    example: bool = False,
    tell: Tell,
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Parameters
    ----------
    local_postgres : start a PostgreSQL for this project alone, and stop it at the end
    example : make an API key, and tell a request that works with it

    Raises
    ------
    SettingsInvalid : options that do not go together
    StorageUnreachable : the database does not answer
    """
    from churnkit_service.logs import set_up_logs
    from churnkit_service.server import listen, serve

    if local_postgres:
        server = LocalPostgres(home_for(folder))
        tell("Starting a PostgreSQL for this project …")
        server.start()
        try:
            return run_service(
                folder,
                database_url=server.url,
                host=host,
                port=port,
                workers=workers,
                development=development,
                example=example,
                tell=tell,
            )
        finally:
            server.stop("fast")
    project = open_for_service(folder, database_url)
    settings = _with_options(project.settings, host=host, port=port, workers=workers)
    embedded = project.ledger_url.startswith("sqlite")
    _refuse(settings, embedded=embedded, development=development)
    with project:
        wait_for_database(project, tell)
        published = publish(folder, project)
        listener = listen(settings.host, settings.port)
        address = _address(settings.host, listener)
        kind = "SQLite, one process" if embedded else "PostgreSQL"
        tell(f"churnkit serves '{project.settings.project.name}' at {address} ({kind})")
        for line in published:
            tell(line)
        if example:
            tell(_example(project, address))
        if settings.workers > 1:
            project.close()
            return _supervise(folder, settings, listener, development=development)
        set_up_logs()
        serve(project, settings, listener, development=development)
    return 0


def _example(project: Project, address: str) -> str:
    """A key, and a line for the shell that uses it."""
    token = create_key(project, "example", ("score", "read")).token
    body = {"items": [example_item(project)], "reasons": 3}
    words = [
        "curl", "-s", f"{address}/v1/predictions", "-H", f"Authorization: Bearer {token}",
        "-H", "Content-Type: application/json", "-d", json.dumps(body, ensure_ascii=False),
    ]  # fmt: skip
    return (
        f"API key: {token}\nTry:\n  {shlex.join(words)}\n"
        f"The contract as a page: {address}/docs (Ctrl-C ends the service)"
    )


def _with_options(settings: Settings, **options: object) -> ServiceTable:
    given = {name: value for name, value in options.items() if value is not None}
    return settings.service.model_copy(update=given)


def _refuse(settings: ServiceTable, *, embedded: bool, development: bool) -> None:
    if settings.workers > 1 and embedded:
        raise SettingsInvalid(
            "several workers need PostgreSQL.",
            fix="Set DATABASE_URL, or leave --workers out.",
        )
    if development and settings.host not in ("127.0.0.1", "::1", "localhost"):
        raise SettingsInvalid(
            "--dev opens the service without a key, so it may listen on this machine only.",
            fix="Leave --host out, or make a key with 'churnkit keys create'.",
        )


def _address(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name and not name.startswith('[') else name}:{port}"


def wait_for_database(project: Project, tell: Tell, seconds: float = 60.0) -> None:
    """Reach the ledger's database, which may be starting, too, and bring its tables up to date.

    Raises
    ------
    StorageUnreachable : it did not answer for so long
    """
    end = time.monotonic() + seconds
    told = False
    while True:
        try:
            ping(project)
        except StorageUnreachable:
            if time.monotonic() > end:
                raise
            if not told:
                tell("Waiting for the database …")
                told = True
            time.sleep(_RESTART_SECONDS)  # a database does not say when it is there
        else:
            return


def _supervise(
    folder: Path, settings: ServiceTable, listener: socket.socket, *, development: bool
) -> int:
    """Keep so many workers alive until told to stop; they accept from one socket."""
    # Imported late: it must see where the processes' figures are.
    from prometheus_client.multiprocess import mark_process_dead

    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for worker in workers:
            worker.terminate()

    with tempfile.TemporaryDirectory(prefix="churnkit-metrics-") as figures:
        os.set_inheritable(listener.fileno(), True)
        environ = {
            **os.environ,
            LISTENER: str(listener.fileno()),
            DEVELOPMENT: "1" if development else "",
            "PROMETHEUS_MULTIPROC_DIR": figures,
        }
        command = [sys.executable, "-m", "churnkit_service.worker", str(folder)]

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, env=environ, pass_fds=[listener.fileno()])

        workers = [start() for _ in range(settings.workers)]
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        while not stopping:
            # One pause for all workers; it also keeps those that end at once from being started
            # again without one.
            time.sleep(_RESTART_SECONDS)
            for i, worker in enumerate(workers):
                if worker.poll() is not None and not stopping:
                    # Its gauges count no more.
                    mark_process_dead(worker.pid, figures)  # type: ignore[no-untyped-call]
                    workers[i] = start()
        limit = settings.drain_seconds + settings.lame_duck_seconds + 10
        for worker in workers:
            try:
                worker.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
    # A worker that was still starting ends by the signal itself: it had accepted nothing.
    codes = {int(worker.returncode) for worker in workers} - {0, -signal.SIGTERM}
    return abs(min(codes)) if codes else 0
