"""How each part is started: the commands that docker-compose.yml gives to an engine."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from churnkit_stack import figures
from churnkit_stack.addresses import Addresses
from churnkit_stack.finding import accepts, answers, program, root
from churnkit_stack.part import Part

Environ = Mapping[str, str]
"""What a part's environment has beside this one's."""


def broker(at: Addresses, home: Path) -> Part:
    """NATS with JetStream, whose messages are in the folder ``nats``."""
    return Part(
        "NATS",
        [program("nats-server"), "-a", "127.0.0.1", "-p", str(at.nats), "-js",
         "-sd", str(home / "nats")],
        _log(home, "nats"),
        lambda: accepts(at.nats),
    )  # fmt: skip


def replica(at: Addresses, home: Path, project: Path, number: int, environ: Environ) -> Part:
    """One process of the service, on a port of its own."""
    url = at.replica_urls[number]
    return Part(
        f"replica {number + 1}",
        [sys.executable, "-m", "churnkit_service", "-C", str(project),
         "--port", str(at.replicas[number])],
        _log(home, f"replica-{number + 1}"),
        lambda: answers(f"{url}/readyz"),
        environ,
    )  # fmt: skip


def consumer(at: Addresses, home: Path, project: Path, environ: Environ) -> Part:
    """Who takes the broker's messages."""
    return Part(
        "the consumer",
        [sys.executable, "-m", "churnkit_service.broker", "-C", str(project)],
        _log(home, "consumer"),
        lambda: answers(f"{at.consumer_url}/readyz"),
        {
            **environ,
            "CHURNKIT_BROKER_URL": at.nats_url,
            "CHURNKIT_BROKER_METRICS_PORT": str(at.consumer),
        },
    )


def proxy(at: Addresses, home: Path, replicas_up: Callable[[], int]) -> Part:
    """HAProxy with the file of the image.

    Parameters
    ----------
    replicas_up : how many replicas it sends to; without one it is not ready
    """
    return Part(
        "the proxy",
        [program("haproxy"), "-W", "-db", "-f", str(root() / "packaging/docker/haproxy.cfg")],
        _log(home, "proxy"),
        lambda: answers(f"{at.figures_url}/healthz") and replicas_up() > 0,
        {
            "CHURNKIT_PROXY_BIND": f"127.0.0.1:{at.proxy}",
            "CHURNKIT_PROXY_FIGURES": f"127.0.0.1:{at.figures}",
            **{f"CHURNKIT_REPLICA_{i + 1}": f"127.0.0.1:{p}" for i, p in enumerate(at.replicas)},
        },
    )


def prometheus(at: Addresses, home: Path) -> Part:
    """Prometheus with the rules of the repository, and the addresses of this machine."""
    here = "127.0.0.1:{}".format
    config = figures.prepare(
        home / "prometheus",
        {
            "churnkit": [here(port) for port in at.replicas],
            "consumer": [here(at.consumer)],
            "proxy": [here(at.figures)],
        },
    )
    return Part(
        "Prometheus",
        [program("prometheus"), f"--config.file={config}",
         f"--storage.tsdb.path={home / 'prometheus' / 'data'}",
         f"--web.listen-address={here(at.prometheus)}", "--log.level=warn"],
        _log(home, "prometheus"),
        lambda: answers(f"{at.prometheus_url}/-/ready"),
    )  # fmt: skip


def mlflow(at: Addresses, home: Path, project: Path) -> Part:
    """MLflow's pages on the project's runs."""
    return Part(
        "MLflow's pages",
        [sys.executable, "-m", "churnkit", "-C", str(project), "mlflow",
         "--port", str(at.mlflow), "--no-browser"],
        _log(home, "mlflow"),
        lambda: answers(f"{at.mlflow_url}/health"),
    )  # fmt: skip


def why_no_pages(project: Path) -> str:
    """Why MLflow's pages cannot be served; empty: they can."""
    try:
        importlib.metadata.version("mlflow")
    except importlib.metadata.PackageNotFoundError:
        return "they are not installed ('churnkit[mlflow]')"
    if not (project / "store" / "mlflow.db").exists():
        return "no run of this project is recorded in MLflow"
    return ""


def _log(home: Path, name: str) -> Path:
    folder = home / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}.log"
