"""PromQL, as far as a test has to read it: which figures a query asks for, and which labels."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from churnkit_stack.finding import Ports, answers, program, root

_NAME = re.compile(r"\b((?:churnkit|haproxy)_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
_GROUPS = re.compile(r"\b(?:by|on|group_left|without)\s*\(([^)]*)\)")
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds."""


@dataclass(frozen=True)
class Query:
    """One expression, and where it stands."""

    where: str
    text: str

    @property
    def figures(self) -> dict[str, set[str]]:
        """Name of a figure → labels by which it is chosen."""
        found: dict[str, set[str]] = {}
        for name, inside in _NAME.findall(self.text):
            found.setdefault(name, set()).update(_MATCHER.findall(inside))
        return found

    @property
    def groups(self) -> set[str]:
        """Labels that it groups by, or joins on."""
        return {
            label.strip()
            for inside in _GROUPS.findall(self.text)
            for label in inside.split(",")
            if label.strip()
        }


def dashboards() -> list[Query]:
    """All queries of all dashboards."""
    found = []
    for path in sorted((root() / "packaging/grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                text = target["expr"].replace("$__rate_interval", "10s")
                found.append(Query(f"{path.stem}: {panel['title']}", text))
    return found


def rules() -> list[Query]:
    """The expressions of all alerts."""
    text = (root() / "packaging/prometheus/alerts.yml").read_text(encoding="utf-8")
    return [
        Query(rule["alert"], rule["expr"])
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    ]


def ask(url: str, text: str) -> list[dict[str, Any]]:
    """The result of a query now; fails where Prometheus refuses it."""
    asked = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
    with urllib.request.urlopen(asked, timeout=10) as answer:
        found = json.loads(answer.read())
    assert found["status"] == "success", found
    result: list[dict[str, Any]] = found["data"]["result"]
    return result


@contextmanager
def prometheus(targets: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A Prometheus that asks once a second; gives its address.

    Parameters
    ----------
    targets : addresses by job
    """
    port = Ports().take()
    with tempfile.TemporaryDirectory(prefix="churnkit-prometheus-") as folder:
        jobs = [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
            for job, addresses in targets.items()
        ]
        config = Path(folder) / "prometheus.yml"
        seconds = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config.write_text(yaml.safe_dump({"global": seconds, "scrape_configs": jobs}))
        process = subprocess.Popen(
            [program("prometheus"), f"--config.file={config}",
             f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 30
            while not answers(f"{url}/-/ready"):
                assert time.monotonic() < end, "Prometheus did not start"
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Prometheus' checker."""
    found = shutil.which("promtool") or program("promtool")
    return subprocess.run([found, *words], capture_output=True, text=True, check=False)
