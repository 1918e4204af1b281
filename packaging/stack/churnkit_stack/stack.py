"""The parts of an installation, in the order in which they need each other."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from churnkit_service.local_postgres import LocalPostgres, home_for

from churnkit.errors import StorageUnreachable
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.operating.keys import create_key
from churnkit.usecases.operating.online import example_item, open_for_service
from churnkit_stack import parts
from churnkit_stack.addresses import REPLICAS, take_addresses
from churnkit_stack.processes import children

_RESTART_SECONDS = 0.5
Tell = Callable[[str], None]


class Stack:
    """PostgreSQL, a broker, two replicas behind a proxy, a consumer, Prometheus, MLflow's pages.

    Parameters
    ----------
    project : the project's folder, with a champion
    home : a folder for logs and data of the parts
    port : of the proxy; the others are the usual ones, where these are free
    mlflow : whether MLflow's pages are served, too; ``without_mlflow`` says why they are not
    settings : more environment for the replicas and the consumer, ``CHURNKIT_…``
    """

    def __init__(
        self,
        project: Path,
        home: Path,
        *,
        port: int = 8080,
        mlflow: bool = True,
        fixed: bool = True,
        durable: bool = True,
        settings: dict[str, str] | None = None,
        tell: Tell = lambda _: None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.project, self.home, self._tell = project.resolve(), home.resolve(), tell
        self.at = at = take_addresses(port, fixed=fixed)
        options = ["max_connections=120"] + ([] if durable else ["fsync=off"])
        self._postgres_home = home_for(self.home)
        self.database = LocalPostgres(self._postgres_home, options=options, port=at.database)
        environ = {"DATABASE_URL": self.database.url, **(settings or {})}
        self.broker = parts.broker(at, self.home)
        self.replicas = [
            parts.replica(at, self.home, self.project, i, environ) for i in range(REPLICAS)
        ]
        self.consumer = parts.consumer(at, self.home, self.project, environ)
        self.proxy = parts.proxy(at, self.home, self.replicas_up)
        self.prometheus = parts.prometheus(at, self.home)
        self.without_mlflow = parts.why_no_pages(self.project) if mlflow else "nobody asked for it"
        self.mlflow = None if self.without_mlflow else parts.mlflow(at, self.home, self.project)
        self.parts = [
            part
            for part in (
                self.broker, *self.replicas, self.consumer, self.proxy, self.prometheus,
                self.mlflow,
            )
            if part is not None
        ]  # fmt: skip
        self._standing: list[int] = []
        self._over = threading.Event()
        self._hands_off = threading.RLock()
        self._watching = threading.Thread(target=self._watch, name="watch", daemon=True)

    @property
    def addresses(self) -> dict[str, str]:
        """Everything, by a name for a person."""
        at = self.at
        found = {
            "service (through the proxy)": at.url,
            "replica 1": at.replica_urls[0],
            "replica 2": at.replica_urls[1],
            "NATS": at.nats_url,
            "Prometheus": at.prometheus_url,
            "PostgreSQL": self.database.url.replace("+psycopg2", ""),
        }
        if self.mlflow is not None:
            found["MLflow"] = at.mlflow_url
        return found

    # --- the whole -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything, and wait until it answers.

        Raises
        ------
        NotStarted : a part does not
        """
        self._tell("Starting PostgreSQL …")
        self.database.start()
        with open_for_service(self.project, self.database.url) as target:
            publish(self.project, target)
        for part in self.parts:
            self._tell(f"Starting {part.name} …")
            part.start()
        self._watching.start()
        for part in self.parts:
            part.wait_ready()

    def stop(self) -> None:
        """End everything: first whoever answers clients, the database last."""
        self._over.set()
        if self._watching.is_alive():
            self._watching.join()
        first = (*self.replicas, self.consumer)
        rest = [part for part in self.parts if part not in first]
        for group, seconds in ((first, 40.0), (rest, 15.0)):
            for part in group:
                part.tell_to_end()
            for part in group:
                part.wait_ended(seconds)
        self._database_goes_on()
        with suppress(StorageUnreachable):  # it had not started, or has ended
            self.database.stop("fast")

    def forget(self) -> None:
        """Delete what an earlier run left; only before the start."""
        self.forget_data()
        shutil.rmtree(self.home / "logs", ignore_errors=True)
        (self.home / "logs").mkdir()

    def forget_data(self) -> None:
        """Delete the database and the broker's messages; only behind the end."""
        for folder in (self._postgres_home, self.home / "nats"):
            shutil.rmtree(folder, ignore_errors=True)

    def key(self, name: str = "stack", scopes: tuple[str, ...] = ("score", "read")) -> str:
        """A new API key."""
        with open_for_service(self.project, self.database.url) as project:
            return create_key(project, name, scopes).token  # type: ignore[arg-type]

    def example(self) -> dict[str, object]:
        """A customer who can be scored."""
        with open_for_service(self.project, self.database.url) as project:
            return example_item(project)

    # --- what an operator does, and what happens to him -------------------------------------------

    def restart_replica(self, number: int) -> int | None:
        """Let a replica finish, then start it again; gives the exit code of the old one."""
        replica = self.replicas[number]
        with self._hands_off:
            replica.tell_to_end()
            code = replica.wait_ended()
            replica.start()
        replica.wait_ready()
        return code

    def rolling_restart(self) -> list[int | None]:
        """One replica after the other."""
        codes = []
        for number in range(REPLICAS):
            codes.append(self.restart_replica(number))
            self.wait_seen()
        return codes

    def wait_seen(self, seconds: float = 30.0) -> None:
        """Until the proxy sends to both replicas again."""
        end = time.monotonic() + seconds
        while self.replicas_up() < REPLICAS and time.monotonic() < end:
            time.sleep(0.1)  # the proxy tells its state only when asked

    def replicas_up(self) -> int:
        """How many replicas the proxy sends to."""
        try:
            with urllib.request.urlopen(f"{self.at.figures_url}/metrics", timeout=3) as answer:
                text = answer.read().decode()
        except OSError:
            return 0
        line = 'haproxy_server_status{proxy="replicas",server="replica-%d",state="UP"} 1'
        return sum(line % (i + 1) in text for i in range(REPLICAS))

    @contextmanager
    def database_away(self, mode: str = "immediate") -> Iterator[None]:
        """The database stops as in a crash, and comes back behind the block."""
        self.database.stop(mode)
        try:
            yield
        finally:
            self.database.start()

    @contextmanager
    def database_hangs(self) -> Iterator[None]:
        """All processes of the database stand still, as when its disk does not answer."""
        first = int((self.database.data / "postmaster.pid").read_text().split()[0])
        self._stand_still(first)  # it starts no further one now
        for pid in children(first):
            self._stand_still(pid)
        try:
            yield
        finally:
            self._database_goes_on()

    def _stand_still(self, pid: int) -> None:
        self._standing.append(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)

    def _database_goes_on(self) -> None:
        while self._standing:
            with suppress(ProcessLookupError):
                os.kill(self._standing.pop(), signal.SIGCONT)

    @contextmanager
    def broker_away(self, number: int = signal.SIGTERM) -> Iterator[None]:
        """The broker gets a signal, and comes back behind the block with its streams."""
        with self._hands_off:
            self.broker.tell_to_end(number)
            self.broker.wait_ended()
        try:
            yield
        finally:
            self.broker.start()
            self.broker.wait_ready()

    def _watch(self) -> None:
        """Start again what ended, as an engine's restart policy does."""
        while not self._over.wait(_RESTART_SECONDS):
            with self._hands_off:
                for part in self.parts:
                    if part.wanted and not part.runs and not self._over.is_set():
                        part.restarts += 1
                        part.start()
