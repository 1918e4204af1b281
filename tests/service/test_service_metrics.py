"""What can be seen from outside: figures, health, logs."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from churnkit_service.app import ENDPOINTS
from churnkit_service.logs import JsonFormatter
from churnkit_service.metrics import ManyHistogram, Metrics
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from tests.live import Live, Told, in_threads, item, live

REPLICAS = "long"
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _figures(text: bytes) -> Figures:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _of(figures: Figures, name: str, **labels: str) -> float:
    return sum(
        value
        for (found, having), value in figures.items()
        if found == name and set(labels.items()) <= set(having)
    )


def test_promtool_finds_nothing_to_complain_about(served: Live) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "no promtool: packaging/system.sh tests installs it"
    assert served.predict(item(), item(Contract="Weekly")).status == 200
    served.ask("GET", "/nowhere")
    text = served.ask("GET", "/metrics", key=None).content
    ran = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, b"")


def _of_all(served: Live) -> Figures:
    """The sums over all replicas, as Prometheus makes them."""
    total: Figures = {}
    for one in served.each:
        for sample, value in _figures(one.ask("GET", "/metrics").content).items():
            total[sample] = total.get(sample, 0) + value
    return total


def test_what_was_done_is_counted(served: Live) -> None:
    before = _of_all(served)
    served.predict(item(), item(), item(Contract="Weekly"))
    served.predict(item(tenure="x"))
    after = _of_all(served)

    def grew(name: str, **labels: str) -> float:
        return _of(after, name, **labels) - _of(before, name, **labels)

    route = "/v1/predictions"
    assert grew("churnkit_http_requests_total", route=route, status="200", method="POST") == 1
    assert grew("churnkit_http_requests_total", route=route, status="422", method="POST") == 1
    assert grew("churnkit_http_request_duration_seconds_count", route=route, method="POST") == 2
    assert grew("churnkit_predictions_total", model_version="v1", variant="champion") == 3
    assert grew("churnkit_prediction_probability_ratio_count", model_version="v1") == 3
    assert grew("churnkit_predictions_with_unknown_categories_total") == 1
    assert grew("churnkit_ledger_commit_duration_seconds_count") == 1
    assert _of(after, "churnkit_ledger_up") == len(served.each)
    assert _of(after, "churnkit_model_info", model_version="v1") == len(served.each)


def test_labels_stay_few_whatever_is_asked(served: Live) -> None:
    for i in range(30):
        served.ask("GET", f"/nowhere/{i}")
        served.ask("GET", f"/v1/predictions/{i}")
        served.ask(f"METHOD{i}", "/v1/predictions")
        served.predict(item(f"customer-{i}"))
    text = served.ask("GET", "/metrics").content
    routes = {dict(labels).get("route") for _, labels in _figures(text)}
    assert routes - {None} <= {"unmatched", *(endpoint.path for endpoint in ENDPOINTS)}
    methods = {dict(labels).get("method") for _, labels in _figures(text)}
    assert methods - {None} <= {"other", *(endpoint.method for endpoint in ENDPOINTS)}
    assert b"customer-" not in text


def test_many_values_are_the_same_as_one_by_one() -> None:
    metrics = Metrics()
    values = [i / 97 for i in range(98)]
    for value in values:
        metrics.probability.labels("one").observe(value)
    many = metrics.probability.labels("many")
    assert isinstance(many, ManyHistogram)
    many.observe_many(values)
    figures = _figures(metrics.exposition())
    for (name, labels), value in figures.items():
        given = dict(labels)
        if given.get("model_version") == "one" and not name.endswith("_created"):
            same = tuple(sorted({**given, "model_version": "many"}.items()))
            assert figures[name, same] == pytest.approx(value)


def test_readiness_says_what_is_missing(served: Live) -> None:
    told = served.ask("GET", "/readyz", key=None)
    assert (told.status, told.json["status"]) == (200, "ready")
    assert told.json["model_version"] == "v1"
    for one in served.each:
        assert one.service is not None
        one.service.draining = True
    try:
        told = served.ask("GET", "/readyz", key=None)
        assert (told.status, told.json["checks"]["draining"]) == (503, True)
        assert told.headers["Connection"] == "close"
    finally:
        for one in served.each:
            assert one.service is not None
            one.service.draining = False


def test_logs_have_request_ids_and_no_personal_data(
    served: Live, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        told = served.predict(item("Secret-Customer", tenure="hidden-value"))
        served.ask("GET", "/v1/predictions/Secret-Customer")
        served.ask("GET", "/v1/predictions?customer_id=Secret-Customer&limit=0")
    lines = [JsonFormatter().format(record) for record in caplog.records]
    mine = [json.loads(line) for line in lines]
    assert told.headers["X-Request-Id"] in {line.get("request_id") for line in mine}
    assert {line.get("route") for line in mine} >= {"/v1/predictions"}
    text = "\n".join(lines)
    assert "Secret-Customer" not in text
    assert "hidden-value" not in text
    for token in served.keys.values():
        assert token not in text
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line["time"]) for line in mine)


def test_spans_continue_the_callers_trace(served_folder: Path, postgres_url: str) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    mine = "0af7651916cd43dd8448eb211c80319c"
    with live(served_folder, postgres_url, tracing=True) as served:
        headers = {"traceparent": f"00-{mine}-b7ad6b7169203331-01"}
        assert served.predict(item("nobody-knows"), headers=headers).status == 200
    (span,) = exporter.get_finished_spans()
    assert span.name == "POST /v1/predictions"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == mine
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert "nobody-knows" not in span.to_json()


def test_without_a_free_connection_the_answer_is_503(
    served_folder: Path, postgres_url: str
) -> None:
    with live(
        served_folder, postgres_url, pool_size=2, pool_timeout_seconds=0.3, keys_seconds=600.0
    ) as served:
        assert served.ask("GET", "/v1/predictions").status == 200
        engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
        with engine.connect() as connection, connection.begin():
            connection.execute(sa.text("lock table predictions in access exclusive mode"))
            told = in_threads(
                [lambda: served.ask("GET", "/v1/predictions/x", headers={"X-Request-Id": "p"})] * 2
                + [lambda: _late(served, connection)]
            )
        engine.dispose()
        assert [t.status for t in told[:2]] == [404, 404]
        late = told[2]
        assert (late.status, late.kind) == (503, "pool-exhausted")
        assert late.headers["Retry-After"] == "1"
        assert served.ask("GET", "/v1/predictions").status == 200


def _late(served: Live, connection: sa.Connection) -> Told:
    """Comes when both connections wait for the lock; lets go of it at the end."""
    assert served.service is not None
    end = time.monotonic() + 10
    while served.service.queries.busy < 2 and time.monotonic() < end:
        time.sleep(0.01)
    told = served.ask("GET", "/v1/predictions/y")
    transaction = connection.get_transaction()
    assert transaction is not None
    transaction.rollback()
    return told
