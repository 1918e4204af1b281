"""A running service for tests: in a thread, or as the command that a person starts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
import uvloop
from churnkit_service.server import answering, listen
from churnkit_service.service import Service

import churnkit as ck
from churnkit.data.samples.locate import telco_path
from churnkit.domain.keys import Scope
from churnkit.training import fit
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.operating.keys import create_key
from churnkit.usecases.operating.online import open_for_service
from churnkit.usecases.training import verbs as training
from tests.turns import in_turns

ROWS = 1_200


def make_served_project(
    folder: Path,
    candidates: Sequence[str] = ("gradient_boosting", "logistic_regression"),
    ledger_url: str = "",
) -> None:
    """A project with a champion and a challenger, both small, without MLflow's record."""
    data = folder.with_suffix(".csv")
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[: ROWS + 1]), encoding="utf-8")
    project = ck.create_project(folder, data, name="served").project
    ledger = project.settings.ledger.model_copy(update={"url": ledger_url})
    settings = project.settings.model_copy(update={"ledger": ledger})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "tell_mlflow", lambda *_: ())
        # One trial each, however busy the machine is: a budget in seconds could be too small.
        patch.setattr(fit, "search", partial(one_trial, fit.search))
        for candidate in candidates:
            table = settings.training.model_copy(update={"candidates": (candidate,)})
            project.settings = settings.model_copy(update={"training": table})
            with project:
                ck.train(project, seed=1)


def one_trial(search: Callable[..., Any], *data: Any, **options: Any) -> Any:
    """A search that takes the first setting, however busy the machine is."""
    return search(*data, **{**options, "budget_seconds": None, "max_trials": 1})


FEATURES: dict[str, Any] = {
    "gender": "Female", "SeniorCitizen": 0, "Partner": "Yes", "Dependents": "No", "tenure": 1,
    "PhoneService": "No", "MultipleLines": "No phone service", "InternetService": "DSL",
    "OnlineSecurity": "No", "OnlineBackup": "Yes", "DeviceProtection": "No", "TechSupport": "No",
    "StreamingTV": "No", "StreamingMovies": "No", "Contract": "Month-to-month",
    "PaperlessBilling": "Yes", "PaymentMethod": "Electronic check", "MonthlyCharges": 29.85,
    "TotalCharges": 29.85,
}  # fmt: skip


def item(customer_id: str = "7590-VHVEG", **changes: Any) -> dict[str, Any]:
    """One customer to score."""
    return {"customer_id": customer_id, "features": {**FEATURES, **changes}}


@dataclass(frozen=True)
class Told:
    """An answer."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The body as plain data."""
        return json.loads(self.content)

    @property
    def kind(self) -> str:
        """The problem's type, without its path."""
        return str(self.json["type"]).rpartition("/")[2]


@dataclass
class Live:
    """A service that answers at ``url``, and keys for it."""

    url: str
    keys: dict[str, str]
    service: Service | None = None
    replicas: tuple[Live, ...] = ()
    """Those behind the address, when they are several."""
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False, timeout=30, maxsize=32)
    )

    @property
    def each(self) -> tuple[Live, ...]:
        """Every process that answers here."""
        return self.replicas or (self,)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "all",
        headers: dict[str, str] | None = None,
    ) -> Told:
        """Send a request; bytes go as they are, other bodies as JSON."""
        sent = dict(headers or {})
        if key is not None:
            sent.setdefault("Authorization", f"Bearer {self.keys.get(key, key)}")
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        answer = self.pool.request(method, self.url + path, body=body, headers=sent, redirect=False)
        return Told(answer.status, dict(answer.headers), answer.data)

    def predict(self, *items: dict[str, Any], key: str | None = "all", **asked: Any) -> Told:
        """Score items."""
        headers = asked.pop("headers", None)
        return self.ask(
            "POST", "/v1/predictions", {"items": list(items), **asked}, key=key, headers=headers
        )


SCOPES: dict[str, tuple[Scope, ...]] = {
    "all": ("score", "read", "operate"),
    "score": ("score",),
    "read": ("read",),
    "admin": ("admin",),
}


def prepare(folder: Path, database_url: str) -> dict[str, str]:
    """Publish the project into a database, and make keys."""
    with open_for_service(folder, database_url) as project:
        publish(folder, project)
        return {name: create_key(project, name, scopes).token for name, scopes in SCOPES.items()}


@contextmanager
def live(
    folder: Path,
    database_url: str = "",
    *,
    development: bool = False,
    change: Callable[[Service], None] = lambda _: None,
    **settings: Any,
) -> Iterator[Live]:
    """A service in a thread of this process.

    Parameters
    ----------
    settings : of the table ``service``
    change : done to the service before it starts
    """
    keys = prepare(folder, database_url)
    project = open_for_service(folder, database_url)
    table = project.settings.service.model_copy(update={"lame_duck_seconds": 0.0, **settings})
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    up = threading.Event()
    stop: list[Callable[[], object]] = []
    started: list[Service] = []

    async def main() -> None:
        service = Service(project, table, development=development)
        started.append(service)
        change(service)
        await service.start()
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        async with answering(service, listener):
            up.set()
            await over.wait()
        await service.close()

    thread = threading.Thread(target=lambda: uvloop.run(main()), daemon=True)
    thread.start()
    assert up.wait(30), "the service did not start"
    running = Live(url, keys, started[0])
    try:
        yield running
    finally:
        running.pool.clear()
        stop[0]()
        thread.join(30)
        listener.close()
        project.close()
        assert not thread.is_alive(), "the service did not stop"


@contextmanager
def two_replicas(folder: Path, database_url: str, **settings: Any) -> Iterator[Live]:
    """Two services on one database behind one address: each request goes to the other one."""
    with (
        live(folder, database_url, **settings) as one,
        live(folder, database_url, **settings) as two,
        in_turns([one.url, two.url]) as url,
    ):
        running = Live(url, one.keys, one.service, (one, two))
        yield running
        running.pool.clear()


@contextmanager
def command(
    folder: Path, database_url: str, *options: str, port: int = 0, **environ: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """``churnkit serve`` in a process of its own; it is killed at the end if it still runs."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "churnkit_service", "-C", str(folder), "--port", str(port),
             *options],
            env={**os.environ, "DATABASE_URL": database_url, **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield process, _address(process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Any) -> str:
    """Where it says that it listens, when it is ready."""
    pool = urllib3.PoolManager(retries=False, timeout=5)
    end = time.monotonic() + 60
    said = b""
    while time.monotonic() < end:
        log.seek(0)
        said = log.read()
        assert process.poll() is None, said.decode()
        words = [word for word in said.split() if word.startswith(b"http://")]
        if words:
            url = words[0].decode()
            try:
                if pool.request("GET", f"{url}/readyz").status == 200:
                    pool.clear()
                    return url
            except urllib3.exceptions.HTTPError:
                pass
        time.sleep(0.05)
    raise AssertionError(f"the service did not become ready: {said.decode()}")


def in_threads(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run calls side by side; their results in order."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]
