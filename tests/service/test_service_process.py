"""Processes: how they start, take a new model, end without losing anything, and are several."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
import urllib3
from churnkit_service.local_postgres import home_for
from churnkit_service.process import run_service

import churnkit as ck
from churnkit.cli.main import run
from churnkit.client.blocking import Client
from churnkit.errors import SettingsInvalid
from churnkit.registry.journal import seal
from churnkit.usecases.operating.online import open_for_service
from tests.copies import copy_project
from tests.live import Live, command, item, live, make_served_project, prepare


def _promote(served: Live, version: str) -> None:
    """What ``churnkit models promote`` writes, without MLflow."""
    assert served.service is not None
    served.service.project.ledger.append_entries(
        lambda journal: [seal(
            at=datetime.now(UTC), who="test", action="promote", alias="champion",
            version=version, why="test", evidence={}, journal=journal,
        )]
    )  # fmt: skip


def test_a_new_champion_serves_by_itself(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url, reload_seconds=0.1) as served:
        assert served.predict(item()).json["predictions"][0]["model_version"] == "v1"
        _promote(served, "v2")
        end = time.monotonic() + 20
        seen = ["v1"]
        while seen[-1] != "v2" and time.monotonic() < end:
            told = served.predict(item())
            assert told.status == 200  # the old one answers until the new one is warm
            seen.append(told.json["predictions"][0]["model_version"])
        assert seen[-1] == "v2"
        assert seen == sorted(seen)


def test_a_damaged_successor_leaves_the_old_model_serving(
    served_folder: Path, postgres_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    with live(folder, postgres_url, reload_seconds=0.1) as served:
        trees = folder / "store" / "bundles" / "v2" / "compiled" / "compiled.json"
        trees.write_bytes(trees.read_bytes()[:-10])
        _promote(served, "v2")
        time.sleep(0.5)  # it looks ten times a second
        assert served.predict(item()).json["predictions"][0]["model_version"] == "v1"
        assert served.ask("GET", "/readyz").status == 200


def test_without_a_champion_it_starts_and_says_so(tmp_path: Path, served_folder: Path) -> None:
    folder = tmp_path / "empty"
    ck.create_project(folder, served_folder.with_suffix(".csv"))
    with live(folder) as served:
        assert served.ask("GET", "/healthz").status == 200
        assert served.ask("GET", "/readyz").json["checks"]["model"] is False
        told = served.predict(item())
        assert (told.status, told.kind) == (503, "no-champion")
        assert "churnkit train" in told.json["fix"]


def test_a_replica_needs_nothing_but_the_settings_and_the_database(
    served_folder: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    prepare(served_folder, postgres_url)  # once, where the project's folder is
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(served_folder / "churnkit.toml", bare)
    with live(bare, postgres_url) as replica, live(served_folder, postgres_url) as whole:
        here, there = (s.predict(item()).json["predictions"][0] for s in (replica, whole))
        assert here["probability"] == there["probability"]
        found = replica.ask("GET", f"/v1/predictions/{there['prediction_id']}")
        assert found.status == 200
    assert not (bare / "store" / "churnkit.duckdb").exists()
    assert list((tmp_path / "cache").rglob("manifest.json"))


def test_a_model_that_is_trained_on_the_database_serves_on_a_replica(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_served_project(tmp_path / "project", ["logistic_regression"], postgres_url)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(tmp_path / "project" / "churnkit.toml", bare)
    with live(bare, postgres_url) as replica:
        assert replica.predict(item()).json["predictions"][0]["model_version"] == "v1"


def test_bundles_come_from_a_configured_folder_by_their_hash(
    served_folder: Path, postgres_url: str, tmp_path: Path
) -> None:
    with ck.open_project(served_folder) as project:
        version = project.ledger.model_version("v1")
        target = tmp_path / "bundles" / version.bundle_hash
        shutil.copytree(project.bundle("v1"), target)
    prepare(served_folder, postgres_url)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(served_folder / "churnkit.toml", bare)
    with open_for_service(bare, postgres_url) as project:
        from churnkit.usecases.models.bundles import find_bundle

        table = project.settings.service.model_copy(update={"bundles": str(tmp_path / "bundles")})
        project.settings = project.settings.model_copy(update={"service": table})
        assert find_bundle(project, version) == target
        (target / "manifest.json").write_text("{}")  # another content: passed over
        assert find_bundle(project, version) != target


def test_the_database_takes_the_projects_history_over_with_its_hashes(
    served_folder: Path, postgres_url: str
) -> None:
    prepare(served_folder, postgres_url)
    prepare(served_folder, postgres_url)  # again changes nothing
    with (
        ck.open_project(served_folder) as home,
        open_for_service(served_folder, postgres_url) as there,
    ):
        assert there.ledger.journal() == home.ledger.journal()
        assert there.ledger.model_versions() == home.ledger.model_versions()


def _predict_in_thread(url: str, key: str, answers: list[int]) -> threading.Thread:
    body = json.dumps({"items": [item()] * 300}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def run() -> None:
        with urllib3.PoolManager(retries=False) as pool:
            for _ in range(1_000):
                told = pool.request("POST", f"{url}/v1/predictions", body=body, headers=headers)
                answers.append(told.status)
                if told.headers.get("Connection") == "close":
                    return

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_sigterm_finishes_what_was_accepted(served_folder: Path, postgres_url: str) -> None:
    keys = prepare(served_folder, postgres_url)
    with command(served_folder, postgres_url) as (process, url):
        answers: list[list[int]] = [[] for _ in range(6)]
        threads = [_predict_in_thread(url, keys["all"], mine) for mine in answers]
        while min(map(len, answers)) < 2:
            time.sleep(0.01)
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(30)  # each was answered to the end, and told to close its connection
        assert process.wait(30) == 0
        assert time.monotonic() - start < 20
        assert {status for mine in answers for status in mine} == {200}
    n = sum(map(len, answers)) * 300
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from predictions")).scalar() == n


@pytest.mark.long
def test_a_rolling_restart_under_load_has_no_failed_request(
    served_folder: Path, postgres_url: str
) -> None:
    keys = prepare(served_folder, postgres_url)
    ports = []
    done: list[str] = []
    failed: list[Exception] = []
    over = threading.Event()

    def work(urls: tuple[str, ...]) -> None:
        with Client(*urls, key=keys["all"], patience_seconds=20) as client:
            while not over.wait(0.005):  # without a pause they would slow the others' start down
                try:
                    (prediction,) = client.predict({"roll": item()["features"]}).predictions
                    done.append(prediction.prediction_id)
                except ck.ChurnkitError as error:
                    failed.append(error)
                    return

    with (
        command(served_folder, postgres_url) as (one, url_one),
        command(served_folder, postgres_url) as (two, url_two),
    ):
        urls = (url_one, url_two)
        ports = [int(url.rpartition(":")[2]) for url in urls]
        threads = [
            threading.Thread(target=work, args=(urls if i % 2 else urls[::-1],)) for i in range(4)
        ]
        for thread in threads:
            thread.start()
        _wait_for(done, 50)
        one.send_signal(signal.SIGTERM)
        assert one.wait(30) == 0
        with command(served_folder, postgres_url, port=ports[0]):
            _wait_for(done, len(done) + 50)
            two.send_signal(signal.SIGTERM)
            assert two.wait(30) == 0
            with command(served_folder, postgres_url, port=ports[1]):
                _wait_for(done, len(done) + 50)
                over.set()
                for thread in threads:
                    thread.join(30)
    assert failed == []
    assert len(done) == len(set(done))


def _wait_for(done: list[str], n: int) -> None:
    end = time.monotonic() + 60
    while len(done) < n:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_workers_add_up_their_figures_and_are_replaced_when_they_die(
    served_folder: Path, postgres_url: str
) -> None:
    keys = prepare(served_folder, postgres_url)
    with command(served_folder, postgres_url, "--workers", "2") as (process, url):
        supervisor = psutil.Process(process.pid)
        workers = supervisor.children()
        assert len(workers) == 2
        for _ in range(30):
            with Client(url, key=keys["all"]) as client:  # a new connection each time
                client.predict({"c": item()["features"]})
        told = [urllib3.request("GET", f"{url}/metrics").data.decode() for _ in range(4)]
        for text in told:  # whichever process answers
            counts = re.findall(r"^churnkit_predictions_total{.*} (\S+)$", text, re.MULTILINE)
            assert sum(map(float, counts)) == 30
            assert "pid=" not in text
        workers[0].kill()
        end = time.monotonic() + 30
        while True:
            alive = [w for w in supervisor.children() if w.status() != psutil.STATUS_ZOMBIE]
            if len(alive) == 2 and workers[0].pid not in {w.pid for w in alive}:
                break
            assert time.monotonic() < end
            time.sleep(0.05)
        with Client(url, key=keys["all"]) as client:
            assert client.ready().status == "ready"
            assert client.predict({"c": item()["features"]}).predictions
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [({"workers": 2}, "PostgreSQL"), ({"development": True, "host": "0.0.0.0"}, "--dev")],
)
def test_options_that_do_not_go_together_are_refused(
    served_folder: Path, options: dict[str, object], words: str
) -> None:
    given = {"host": None, "port": 0, "workers": None, "development": False, **options}
    with pytest.raises(SettingsInvalid) as refused:
        run_service(served_folder, database_url="", tell=print, **given)  # type: ignore[arg-type]
    assert words in str(refused.value)


def test_keys_are_made_listed_and_revoked_on_the_command_line(
    served_folder: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)

    def call(*words: str) -> tuple[int, str]:
        line = ["churnkit", "-C", str(served_folder), "--json", *words]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as stop:
            run()
        return int(stop.value.code or 0), capsys.readouterr().out

    made = json.loads(call("keys", "create", "reporting", "--scope", "read")[1])
    assert made["scopes"] == ["read"]
    assert "secret_hash" not in made
    (listed,) = json.loads(call("keys", "list")[1])["keys"]
    assert (listed["key_id"], listed["revoked_at"]) == (made["key_id"], None)
    assert call("keys", "revoke", made["key_id"])[0] == 0
    (listed,) = json.loads(call("keys", "list")[1])["keys"]
    assert listed["revoked_at"] is not None
    assert call("keys", "revoke", made["key_id"])[0] == 2
    code, told = call("keys", "create", "x", "--scope", "sore")
    assert code == 2
    assert "score" in told


def test_make_serve_prints_a_request_that_works_and_ctrl_c_ends_it(
    served_folder: Path, tmp_path: Path
) -> None:
    """What ``make serve`` runs: a PostgreSQL of its own, a key, a line for the shell."""
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    home = home_for(folder)
    lines: list[str] = []
    options = ["--port", "0", "--local-postgres", "--example"]
    with subprocess.Popen(
        [sys.executable, "-m", "churnkit_service", "-C", str(folder), *options],
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                if "model serves" in line:
                    told = _as_the_shell_would(next(x for x in lines if x.startswith("  curl")))
                    process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            shutil.rmtree(home, ignore_errors=True)
    assert told["predictions"][0]["model_version"] == "v1"
    assert len(told["predictions"][0]["reasons"]) == 3
    text = "".join(lines)
    assert re.search(
        r"^churnkit serves 'served' at http://127.0.0.1:\d+ \(PostgreSQL\)$", text, re.M
    )
    assert re.search(r"^API key: ck_\w+$", text.replace("-", "_"), re.M)
    ours = (
        "churnkit",
        "Starting a PostgreSQL",
        "Took",
        "API key",
        "Try:",
        "  curl",
        "The contract",
        "{",
    )
    assert [line for line in lines if not line.startswith(ours)] == []
    at_work = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in at_work if str(home) in " ".join(words)]


def _as_the_shell_would(line: str) -> Any:
    """The answer to a line that calls curl."""
    words = shlex.split(line)
    assert words[:2] == ["curl", "-s"]
    given = list(zip(words[3::2], words[4::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    (body,) = [value for option, value in given if option == "-d"]
    told = urllib3.request(
        "POST", words[2], body=body.encode(), headers=headers, retries=False, timeout=30
    )
    assert told.status == 200, told.data
    return json.loads(told.data)


def test_it_starts_without_what_only_training_needs() -> None:
    """A third of the time to start, and of the memory of each worker."""
    code = (
        "import sys, churnkit_service.server, churnkit_service.process\n"
        "print([m for m in ('sklearn', 'pandas', 'scipy.stats', 'mlflow') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "[]\n"
