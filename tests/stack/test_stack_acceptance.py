"""The whole installation as `make stack` starts it, driven as clients and operators drive it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from churnkit_service.local_postgres import home_for
from churnkit_stack.acknowledged import Acknowledged
from churnkit_stack.asking import Asking
from churnkit_stack.faults import KINDS
from churnkit_stack.finding import root
from churnkit_stack.load import Load, wait_for
from churnkit_stack.reconcile import reconcile
from churnkit_stack.soak import soak
from churnkit_stack.stack import Stack

import churnkit as ck
from tests.copies import copy_project
from tests.live import FEATURES
from tests.online_project import make_online_project
from tests.stack.queries import ask, dashboards, rules


@pytest.fixture(scope="module")
def stack(served_folder: Path) -> Iterator[Stack]:
    """An installation on the shared project, without MLflow's pages."""
    with tempfile.TemporaryDirectory(prefix="churnkit-stack-") as home:
        Path(home).chmod(0o755)
        whole = Stack(served_folder, Path(home), mlflow=False, fixed=False, durable=False)
        try:
            whole.start()
            yield whole
        finally:
            whole.stop()
            whole.forget_data()


def _load(stack: Stack, done: Acknowledged, customers: str) -> Load:
    asked = Asking([f"{customers}-{i}" for i in range(60)], FEATURES)
    load = Load(stack.at.url, stack.key(), asked, done, pause_seconds=0.01)
    load.add(load.single, 4)
    load.add(load.unkeyed, 2)
    load.add(load.bulk)
    return load


@pytest.mark.long
def test_nothing_is_lost_whatever_an_operator_or_fate_does(stack: Stack) -> None:
    done = Acknowledged()
    asked = Asking([f"all-{i}" for i in range(60)], FEATURES)
    with _load(stack, done, "all"):
        wait_for(done, 200)
        # A rolling restart: no client notices, not even one without churnkit's client.
        assert stack.rolling_restart() == [0, 0]
        assert (done.failures, done.lost, done.refused) == ([], {}, {})
        wait_for(done, done.total + 200)
        # One replica dies: the proxy asks the other one.
        stack.replicas[0].kill()
        wait_for(done, done.total + 300)
        stack.replicas[0].wait_ready()
        stack.wait_seen()
        assert done.refused == {}
        lost = done.lost["unkeyed"]
        assert lost <= 2  # one for each client that was being answered without a key
        # The database stops as in a crash, and comes back.
        with stack.database_away():
            time.sleep(2)
        wait_for(done, done.total + 300)
    assert done.failures == []
    found = reconcile(stack.database.url, asked, done)
    assert found.right, f"\n{found}"
    assert all(line.acknowledged for line in found.lines if line.source in ("single", "bulk"))


@pytest.mark.long
def test_while_no_replica_can_answer_clients_are_told_when_to_come_back(stack: Stack) -> None:
    key = stack.key()
    body = json.dumps({"items": [{"customer_id": "x", "features": FEATURES}]}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{stack.at.url}/v1/predictions", body, headers)
    with stack.database_away():
        time.sleep(1.5)  # the proxy has noticed
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        with refused.value as told:
            assert told.code == 503
            assert int(told.headers["Retry-After"]) >= 1
            assert told.headers["Content-Type"] == "application/problem+json"
            assert json.loads(told.read())["status"] == 503
    stack.wait_seen(60)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
    # Figures of one replica of several mislead: they are not to be had from outside.
    with pytest.raises(urllib.error.HTTPError) as hidden:
        urllib.request.urlopen(f"{stack.at.url}/metrics", timeout=20)
    with hidden.value as answer:
        assert answer.code == 404


@pytest.mark.long
def test_prometheus_sees_all_parts_and_a_replica_that_is_away(stack: Stack) -> None:
    url = stack.at.prometheus_url
    _until(lambda: len([1 for one in ask(url, "up") if one["value"][1] == "1"]) == 4)
    for query in (*dashboards(), *rules()):
        ask(url, query.text)
    for query in dashboards():
        if "haproxy" in query.text:
            assert ask(url, query.text.replace("[10s]", "[1m]")), query.where
    (rule,) = [one for one in rules() if one.where == "ChurnkitReplicaDown"]
    stack.replicas[1].tell_to_end()
    stack.replicas[1].wait_ended()
    _until(lambda: ask(url, rule.text))
    _until(lambda: "ChurnkitReplicaDown" in _alerts(url))  # rules are looked at every few seconds
    stack.replicas[1].start()
    stack.replicas[1].wait_ready()
    _until(lambda: not ask(url, rule.text))


def _alerts(url: str) -> set[str]:
    told = json.loads(urllib.request.urlopen(f"{url}/api/v1/alerts", timeout=5).read())
    return {one["labels"]["alertname"] for one in told["data"]["alerts"]}


def _until(holds: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def recorded_folder(served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared project with one more version, whose run MLflow knows."""
    folder = tmp_path_factory.mktemp("recorded") / "project"
    copy_project(served_folder, folder)
    with ck.open_project(folder) as project:
        ck.train(project, seed=2, max_trials=1)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for `make stack`, which keeps its database for the next time; here it does not."""
    yield tmp_path / "home"
    shutil.rmtree(home_for(tmp_path / "home"), ignore_errors=True)


class Command:
    """A command of the stack as a person runs it, and what it says."""

    def __init__(self, *words: object) -> None:
        ours = [root() / part for part in ("packaging/stack", "", "service")]
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", *map(str, words)],
            env={
                **os.environ,
                "PATH": "/usr/bin:/bin",  # no /usr/sbin: as who became root by su
                "PYTHONPATH": os.pathsep.join(map(str, ours)),
            },
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._told = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._told:
                self.lines.append(line.rstrip())
                self._told.notify_all()

    def wait_told(self, text: str, seconds: float = 300) -> None:
        """Until it says this."""
        with self._told:
            assert self._told.wait_for(
                lambda: any(text in line for line in self.lines) or not self._reader.is_alive(),
                seconds,
            )
            assert any(text in line for line in self.lines), self.lines

    def end(self) -> int:
        """Ctrl-C; gives the exit code, once no process is left that it had started."""
        started = psutil.Process(self.process.pid).children(recursive=True)
        assert started
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(180)
        self._reader.join(10)
        assert not [one for one in started if one.is_running()]
        return code

    def close(self) -> None:
        """Whatever happened, it ends."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.mark.long
def test_make_stack_says_where_everything_is_and_ctrl_c_ends_all_of_it(
    recorded_folder: Path, home: Path
) -> None:
    with closing(Command("churnkit_stack", recorded_folder, "--home", home)) as stack:
        stack.wait_told("Ctrl-C ends everything")
        (curl,) = [line.strip() for line in stack.lines if line.strip().startswith("curl ")]
        answered = subprocess.run(
            ["sh", "-c", curl], capture_output=True, text=True, check=True
        ).stdout
        assert json.loads(answered)["predictions"][0]["reasons"]
        told = dict(re.findall(r"^  (\S.*?) {2,}(\S+)$", "\n".join(stack.lines), re.MULTILINE))
        assert {"NATS", "PostgreSQL", "replica 1", "replica 2"} <= set(told)
        for name, path in (
            ("service (through the proxy)", "/docs"), ("Prometheus", "/-/ready"), ("MLflow", "/"),
        ):  # fmt: skip
            with urllib.request.urlopen(told[name] + path, timeout=60) as answer:
                assert answer.status == 200, name
        # MLflow's pages know the run.
        search = urllib.request.Request(f"{told['MLflow']}/api/2.0/mlflow/registered-models/search")
        with urllib.request.urlopen(search, timeout=60) as answer:
            assert json.loads(answer.read())["registered_models"]
        assert stack.end() == 0
        assert stack.lines[-1] == "Everything has ended."


@pytest.mark.long
def test_ctrl_c_while_it_starts_ends_what_had_started(served_folder: Path, home: Path) -> None:
    words = ("churnkit_stack", served_folder, "--home", home, "--without-mlflow")
    with closing(Command(*words)) as stack:
        stack.wait_told("Starting replica 2")
        assert stack.end() == 0
        assert stack.lines[-1] == "Everything has ended."


@pytest.mark.long
def test_ctrl_c_ends_the_long_run_with_what_was_counted(tmp_path: Path) -> None:
    with closing(Command("churnkit_stack.soak", "--home", tmp_path / "home")) as run:
        run.wait_told("Load for 1,200 s")
        time.sleep(5)  # there is something to count
        assert run.end() == 0
        told = "\n".join(run.lines)
        assert "The load ends early" in told
        assert re.search(r"^all +\d", told, re.MULTILINE), told
        assert not list((tmp_path / "home/stack/nats").glob("*"))


@pytest.mark.long
def test_two_minutes_of_faults_lose_nothing(tmp_path: Path) -> None:
    folder = make_online_project(tmp_path / "project", candidates=2)
    told: list[str] = []
    with tempfile.TemporaryDirectory(prefix="churnkit-soak-") as home:
        Path(home).chmod(0o755)
        found = soak(folder, Path(home), seconds=110, seed=3, pause=(2.0, 5.0), tell=told.append)
    print(found)
    assert found.right, f"\n{found}"
    assert set(found.faults) == set(KINDS)
    for line in found.reconciliation.lines:
        assert line.acknowledged > 0, line.source
