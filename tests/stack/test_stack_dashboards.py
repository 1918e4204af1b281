"""Dashboards and alerts ask for figures that a running service has."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from churnkit_service.broker.consume import BrokerTable
from churnkit_stack.finding import root
from prometheus_client.parser import text_string_to_metric_families

from churnkit.client.blocking import Client
from tests.live import Live, item, live
from tests.stack.queries import SCRAPED, Query, ask, dashboards, prometheus, promtool, rules

HAPROXY = {"haproxy_backend_active_servers", "haproxy_backend_retry_warnings_total"}
"""The proxy's own figures: tests/stack/test_stack_acceptance.py asks a real one for them."""
QUERIES = [*dashboards(), *rules()]
# Nothing of these happens within this test: an empty answer is right.
QUIET = {
    "service: Messages of WebSockets", "service: Jobs", "service: Events",
    "service: What consoles were told", "models: Rows of jobs", "models: Jobs that ended",
    "service: Replicas the proxy sends to",
    "service: Requests that the proxy sent again",
}  # fmt: skip


@pytest.fixture(scope="module")
def busy(served_folder: Path, fresh_database: str) -> Iterator[Live]:
    """A service that does a little of everything."""
    with live(served_folder, fresh_database, refresh_seconds=0.2, reload_seconds=0.1) as served:
        with Client(served.url, key=served.keys["all"]) as client:
            client.start_rollout("v2", why="a test")
        served.predict(item("a"), item("b", Contract="Weekly"))
        yield served


@pytest.fixture(scope="module")
def exposed(busy: Live) -> dict[str, set[str]]:
    """Name of each exposed series → labels that it can have."""
    assert busy.service is not None
    found: dict[str, set[str]] = {"up": set()}
    text = busy.ask("GET", "/metrics", key=None).content.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    for metric in vars(busy.service.metrics).values():
        # Those of which nothing was counted yet have no series.
        name, labels = getattr(metric, "_name", ""), getattr(metric, "_labelnames", ())
        if name:
            for ending in ("", "_total", "_bucket", "_sum", "_count"):
                found.setdefault(f"{name}{ending}", set()).update(labels)
    return found


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.where)
def test_each_query_asks_for_what_is_there(query: Query, exposed: dict[str, set[str]]) -> None:
    assert query.figures, "it asks for nothing"
    own = {name for name in query.figures if not name.startswith("haproxy_")}
    assert set(query.figures) - own <= HAPROXY
    assert own <= set(exposed)
    for name in own:
        assert query.figures[name] <= exposed[name] | SCRAPED | {"le"}, name
    if own:
        known = set().union(*(exposed[name] for name in own))
        assert query.groups <= known | SCRAPED | {"le"}


def test_prometheus_answers_each_query_of_a_busy_service(busy: Live) -> None:
    address = busy.url.removeprefix("http://")
    with prometheus({"churnkit": [address], "consumer": [address]}) as url:
        end = time.monotonic() + 40
        empty = {query.where for query in dashboards()} - QUIET
        while empty and time.monotonic() < end:
            for i in range(20):
                busy.predict(item(f"c{i}"), item(f"d{i}", Contract="Weekly"))
            busy.ask("GET", "/v1/predictions/none")
            time.sleep(0.5)
            empty = {
                query.where
                for query in dashboards()
                if query.where not in QUIET and not ask(url, query.text)
            }
        assert empty == set()
        for query in QUERIES:
            ask(url, query.text)  # none is refused
        # Nothing is wrong with this service, but for who is scored: always the same customer, in
        # words that the model never saw; and for how busy this machine is.
        firing = {query.where for query in rules() if ask(url, query.text)}
        right = {"ChurnkitUnknownCategories", "ChurnkitDrift"}
        assert firing <= right | {"ChurnkitLatency", "ChurnkitCommitsSlow"}


def test_files_are_what_the_generator_writes() -> None:
    build = _build()
    for name in build.DASHBOARDS:
        path = root() / f"packaging/grafana/dashboards/{name}.json"
        assert path.read_text(encoding="utf-8") == build.text_of(name)


def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", root() / "packaging/grafana/build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["build"] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["build"]
    return module


def test_dashboards_use_the_data_source_that_is_provisioned() -> None:
    folder = root() / "packaging/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["uid"] == _build().SOURCE["uid"]


def test_promtool_accepts_configuration_and_rules() -> None:
    for words in (
        ("check", "config", str(root() / "packaging/prometheus/prometheus.yml")),
        ("check", "rules", str(root() / "packaging/prometheus/alerts.yml")),
        ("test", "rules", str(root() / "packaging/prometheus/alerts_test.yml")),
    ):
        ran = promtool(*words)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    text = (root() / "packaging/prometheus/alerts_test.yml").read_text(encoding="utf-8")
    cases: dict[str, set[bool]] = {}
    for test in yaml.safe_load(text)["tests"]:
        for case in test["alert_rule_test"]:
            cases.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert cases == {query.where: {True, False} for query in rules()}


def test_values_of_labels_in_queries_are_those_that_the_service_writes() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (root() / "service/churnkit_service").rglob("*.py")
    ) + "".join((root() / "churnkit/usecases/operating/standing.py").read_text(encoding="utf-8"))
    words = {"dead": "class Dead", "failed": '"failed"', "queued": '"queued"',
             "running": '"running"', "paused": '"paused"', "warning": '"warning"',
             "critical": '"critical"'}  # fmt: skip
    for word, written in words.items():
        assert any(f'{word}"' in q.text or f"|{word}" in q.text or f'"{word}' in q.text
                   for q in QUERIES), word  # fmt: skip
        assert written in source, word
    assert BrokerTable().metrics_port == 0
