"""The parts of an installation, in the order in which they need each other."""

from __future__ import annotations

import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from churnkit_service.local_postgres import LocalPostgres, home_for

from churnkit.usecases.keys import create_key
from churnkit.usecases.online import example_item, open_for_service
from churnkit.usecases.publishing import publish
from churnkit_stack import figures
from churnkit_stack.finding import Ports, accepts, answers, program, root
from churnkit_stack.part import Part

REPLICAS = 2
_RESTART_SECONDS = 0.5
Tell = Callable[[str], None]


class Stack:
    """PostgreSQL, a broker, two replicas behind a proxy, a consumer, Prometheus, MLflow's pages.

    Parameters
    ----------
    project : the project's folder, with a champion
    home : a folder for logs and data of the parts
    port : of the proxy; the others are the usual ones, where these are free
    mlflow : whether MLflow's pages are served, too
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
        ports, self._fixed = Ports(), fixed
        self.proxy_port = ports.take(port if fixed else 0)
        self.replica_ports = [ports.take(8001 + i if fixed else 0) for i in range(REPLICAS)]
        self.figures_port, self.consumer_port, self.nats_port, self.prometheus_port = (
            ports.take(wanted if fixed else 0) for wanted in (8405, 8011, 4222, 9090)
        )
        self.mlflow_port = ports.take(5000 if fixed else 0) if mlflow else 0
        options = ["max_connections=120"] + ([] if durable else ["fsync=off"])
        self.database = LocalPostgres(self._postgres_home(), options=options, port=ports.take())
        self._environ = {"DATABASE_URL": self.database.url, **(settings or {})}
        self.broker = self._broker()
        self.replicas = [self._replica(i) for i in range(REPLICAS)]
        self.consumer = self._consumer()
        self.proxy = self._proxy()
        self.prometheus = self._prometheus()
        self.mlflow = self._mlflow() if mlflow else None
        self.parts = [
            part
            for part in (
                self.broker, *self.replicas, self.consumer, self.proxy, self.prometheus,
                self.mlflow,
            )
            if part is not None
        ]  # fmt: skip
        self._over = threading.Event()
        self._hands_off = threading.RLock()
        self._watching = threading.Thread(target=self._watch, name="watch", daemon=True)

    # --- addresses -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where clients ask: the proxy."""
        return f"http://127.0.0.1:{self.proxy_port}"

    @property
    def replica_urls(self) -> list[str]:
        """The replicas themselves."""
        return [f"http://127.0.0.1:{port}" for port in self.replica_ports]

    @property
    def nats_url(self) -> str:
        """The broker."""
        return f"nats://127.0.0.1:{self.nats_port}"

    @property
    def prometheus_url(self) -> str:
        """Prometheus."""
        return f"http://127.0.0.1:{self.prometheus_port}"

    @property
    def addresses(self) -> dict[str, str]:
        """Everything, by a name for a person."""
        found = {
            "service (through the proxy)": self.url,
            "replica 1": self.replica_urls[0],
            "replica 2": self.replica_urls[1],
            "NATS": self.nats_url,
            "Prometheus": self.prometheus_url,
            "PostgreSQL": self.database.url.replace("+psycopg2", ""),
        }
        if self.mlflow is not None:
            found["MLflow"] = f"http://127.0.0.1:{self.mlflow_port}"
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
        for part in (*self.replicas, self.consumer):
            part.tell_to_end()
        for part in (*self.replicas, self.consumer):
            part.wait_ended()
        rest = [part for part in self.parts if part not in (*self.replicas, self.consumer)]
        for part in rest:
            part.tell_to_end()
        for part in rest:
            part.wait_ended(15.0)
        self.database.stop("fast")

    def forget(self) -> None:
        """Begin with nothing: delete what an earlier run left; only before the start."""
        for folder in (self._postgres_home(), self.home / "nats", self.home / "logs"):
            shutil.rmtree(folder, ignore_errors=True)
        self._log("")

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
        url = f"http://127.0.0.1:{self.figures_port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=3) as answer:
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
    def broker_away(self) -> Iterator[None]:
        """The broker stops, and comes back behind the block with its streams."""
        with self._hands_off:
            self.broker.tell_to_end()
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

    # --- parts ---------------------------------------------------------------------------------

    def _postgres_home(self) -> Path:
        return home_for(self.home)

    def _log(self, name: str) -> Path:
        folder = self.home / "logs"
        folder.mkdir(exist_ok=True)
        return folder / f"{name}.log"

    def _broker(self) -> Part:
        port = self.nats_port
        store = self.home / "nats"
        return Part(
            "NATS",
            [program("nats-server"), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(store)],
            self._log("nats"),
            lambda: accepts(port),
        )

    def _replica(self, number: int) -> Part:
        port = self.replica_ports[number]
        return Part(
            f"replica {number + 1}",
            [sys.executable, "-m", "churnkit_service", "-C", str(self.project),
             "--port", str(port)],
            self._log(f"replica-{number + 1}"),
            lambda: answers(f"http://127.0.0.1:{port}/readyz"),
            self._environ,
        )  # fmt: skip

    def _consumer(self) -> Part:
        port = self.consumer_port
        return Part(
            "the consumer",
            [sys.executable, "-m", "churnkit_service.broker", "-C", str(self.project)],
            self._log("consumer"),
            lambda: answers(f"http://127.0.0.1:{port}/readyz"),
            {
                **self._environ,
                "CHURNKIT_BROKER_URL": self.nats_url,
                "CHURNKIT_BROKER_METRICS_PORT": str(port),
            },
        )

    def _proxy(self) -> Part:
        port = self.figures_port
        return Part(
            "the proxy",
            [program("haproxy"), "-W", "-db", "-f", str(root() / "packaging/docker/haproxy.cfg")],
            self._log("proxy"),
            lambda: answers(f"http://127.0.0.1:{port}/healthz") and self.replicas_up() > 0,
            {
                "CHURNKIT_PROXY_BIND": f"127.0.0.1:{self.proxy_port}",
                "CHURNKIT_PROXY_FIGURES": f"127.0.0.1:{port}",
                **{
                    f"CHURNKIT_REPLICA_{i + 1}": f"127.0.0.1:{p}"
                    for i, p in enumerate(self.replica_ports)
                },
            },
        )

    def _prometheus(self) -> Part:
        here = "127.0.0.1:{}".format
        config = figures.prepare(
            self.home / "prometheus",
            {
                "churnkit": [here(port) for port in self.replica_ports],
                "consumer": [here(self.consumer_port)],
                "proxy": [here(self.figures_port)],
            },
        )
        return Part(
            "Prometheus",
            [program("prometheus"), f"--config.file={config}",
             f"--storage.tsdb.path={self.home / 'prometheus' / 'data'}",
             f"--web.listen-address={here(self.prometheus_port)}", "--log.level=warn"],
            self._log("prometheus"),
            lambda: answers(f"{self.prometheus_url}/-/ready"),
        )  # fmt: skip

    def _mlflow(self) -> Part:
        port = self.mlflow_port
        return Part(
            "MLflow's pages",
            [sys.executable, "-m", "churnkit", "-C", str(self.project), "mlflow",
             "--port", str(port)],
            self._log("mlflow"),
            lambda: answers(f"http://127.0.0.1:{port}/health"),
        )  # fmt: skip
