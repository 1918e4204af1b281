"""`churnkit mlflow` serves MLflow's pages, and leaves no process behind."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import churnkit as ck
from churnkit.domain.progress import Cancel
from churnkit.usecases.training.mlflow_pages import serve_mlflow

Cli = Callable[..., tuple[int, str, str]]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _post(address: str, path: str, body: dict[str, object]) -> dict[str, object]:
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, object] = json.loads(answer.read())
        return found


@pytest.mark.parametrize(
    "sign",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)],
    ids=["terminated", "interrupted"],
)
def test_pages_are_served_and_nothing_outlives_them(
    project: ck.Project, sign: signal.Signals
) -> None:
    port = _free_port()
    command = [sys.executable, "-m", "churnkit", "-C", project.folder, "mlflow", "--port", port]
    with subprocess.Popen(
        [*map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        # A run of tests in the background inherits that Ctrl-C is ignored; a person does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        told = [process.stderr.readline()]
        while told[-1] and "MLflow is at" not in told[-1]:
            told.append(process.stderr.readline())
        assert f"http://127.0.0.1:{port}" in told[-1], told
        address = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(address, timeout=30) as page:
            assert "<title>MLflow</title>" in page.read().decode()
        found = _post(address, "runs/search", {"experiment_ids": ["1"]})
        (run,) = found["runs"]  # type: ignore[misc]  # JSON
        assert run["info"]["run_name"] == ck.show_model(project).version.run_id
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(sign)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_aliases_follow_the_journal_when_the_pages_open(project: ck.Project) -> None:
    """Somebody moved an alias in MLflow, or MLflow was away when the journal was written."""
    import mlflow

    client = mlflow.MlflowClient(project.mlflow.uri, project.mlflow.uri)
    client.delete_registered_model_alias("churn", "champion")
    client.set_registered_model_alias("churn", "challenger", 1)

    asked = Cancel()
    asked.cancel()
    serve_mlflow(project, _free_port(), ready=lambda address: None, cancel=asked)
    assert dict(client.get_registered_model("churn").aliases) == {"champion": 1}


def test_a_taken_port_and_a_project_without_runs(
    project: ck.Project, customers: Path, tmp_path: Path, cli: Cli
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = cli("-C", project.folder, "mlflow", "--port", port)
    assert code == 2
    assert f"port {port} cannot be used" in err
    assert "--port" in err
    ck.create_project(tmp_path / "fresh", customers).project.close()
    code, _, err = cli("-C", tmp_path / "fresh", "mlflow")
    assert code == 2
    assert "churnkit train" in err
