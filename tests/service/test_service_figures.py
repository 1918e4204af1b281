"""Figures over HTTP: volume, latency, errors, scores and drift, of all replicas together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.ledger.service_minutes import (
    Requests,
    read_minutes,
    read_scores,
    tidy_figures,
    write_minutes,
)
from churnkit.ledger.store import Ledger
from churnkit.usecases.operating.figures import quantile
from tests.live import FEATURES, Live, item, live
from tests.service.test_service_batches import as_csv, customers, ended, upload

REPLICAS = "long"
QUICK = {"refresh_seconds": 0.1, "reload_seconds": 0.1}


def _until(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def _summary(served: Live, query: str = "") -> dict[str, Any]:
    told = served.ask("GET", f"/v1/metrics/summary{query}")
    assert told.status == 200, told.content
    return dict(told.json)


def _predicted(served: Live) -> int:
    return sum(one["n"] for one in _summary(served)["predictions"])


def _asked(served: Live, status: str) -> int:
    return sum(
        one["by_status"].get(status, 0)
        for one in _summary(served)["requests"]
        if (one["method"], one["route"]) == ("POST", "/v1/predictions")
    )


def test_volume_scores_latency_and_errors_are_those_of_what_was_asked(served: Live) -> None:
    told = [served.predict(item(f"f-{i}", tenure=i)).json["predictions"][0] for i in range(12)]
    served.predict(item("f-x", Contract="Weekly"))
    for _ in range(3):
        served.predict(item("f-y", tenure="x"))
    _until(lambda: _predicted(served) == 13 and _asked(served, "4xx") == 3)
    found = _summary(served)
    (scores,) = found["predictions"]
    assert (scores["model_version"], scores["variant"], scores["shadow"]) == (
        "v1", "champion", False,
    )  # fmt: skip
    assert (scores["n"], scores["n_unknown"]) == (13, 1)
    probabilities = [p["probability"] for p in told]
    counted = np.histogram(probabilities, bins=20, range=(0, 1))[0]
    assert sum(scores["bins"]) == 13
    assert all(n >= m for n, m in zip(scores["bins"], counted, strict=True))
    assert sum(scores["by_band"].values()) == 13
    times = found["prediction_times"]
    assert sum(one["n"] for one in times) == 13
    (requests,) = [r for r in found["requests"] if (r["method"], r["route"]) == (
        "POST", "/v1/predictions",
    )]  # fmt: skip
    assert requests["by_status"] == {"2xx": 13, "4xx": 3}
    assert (requests["n"], requests["model_version"]) == (16, "v1")
    assert requests["error_share"] == 0
    assert 0 < requests["p50_seconds"] <= requests["p95_seconds"]
    assert 0 < requests["mean_seconds"] < 10
    only = _summary(served, "?route=/v1/predictions&bucket_seconds=60")
    # GET requests for the list have the same template; none were sent.
    assert sum(one["n"] for one in only["request_times"]) == 16
    assert all(r["route"] != "unmatched" or r["model_version"] == "" for r in found["requests"])
    assert _summary(served, "?model_version=v9")["predictions"] == []
    assert _summary(served, "?variant=none")["prediction_times"] == []
    before = "2020-01-01T00:00:00Z"
    nothing = _summary(served, f"?from={before}&to=2020-01-02T00:00:00Z")
    assert nothing["predictions"] == nothing["requests"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "query.to"),
        ("from=1990-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "query.from"),
        ("from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&bucket_seconds=60",
         "query.bucket_seconds"),
        ("bucket_seconds=61", "query.bucket_seconds"),
        ("from=yesterday", "query.from"),
        ("model_version=a%00b", "query.model_version"),
        ("colour=red", "query.colour"),
    ],
)  # fmt: skip
def test_a_wrong_query_is_named(served: Live, query: str, field: str) -> None:
    told = served.ask("GET", f"/v1/metrics/summary?{query}")
    assert told.status == 422
    assert told.json["errors"][0]["field"] == field


def test_figures_of_all_replicas_are_added_up_and_outlive_them(
    served_folder: Path, postgres_url: str
) -> None:
    with live(served_folder, postgres_url, **QUICK) as one:
        with live(served_folder, postgres_url, **QUICK) as two:
            for served in (one, two):
                for i in range(5):
                    served.predict(item(f"r-{i}"))
            two.predict(item("r", tenure="x"))
        # The last figures are written at the end.
        _until(lambda: _asked(one, "2xx") == 10 and _asked(one, "4xx") == 1)
        _until(lambda: _predicted(one) == 10)
        with Client(one.url, key=one.keys["all"]) as client:
            found = client.metrics_summary(model_version="v1")
            assert found.predictions[0].n == 10

        async def work() -> None:
            async with AsyncClient(one.url, key=one.keys["all"]) as other:
                now = datetime.now(UTC)
                told = await other.metrics_summary(
                    since=now - timedelta(hours=1), until=now + timedelta(minutes=1),
                    bucket_seconds=300, route="/v1/predictions",
                )  # fmt: skip
                assert told.bucket_seconds == 300
                assert sum(at.n for at in told.request_times) == 11

        asyncio.run(work())


def _scored(served: Live, start: int, n: int, **changes: Any) -> None:
    """New customers, as varied as those of the training."""
    rng = np.random.default_rng(start)
    items = []
    for i in range(start, start + n):
        tenure = int(rng.integers(1, 72))
        values = {
            "tenure": tenure,
            "MonthlyCharges": float(rng.uniform(20, 110)),
            "TotalCharges": float(tenure * 60),
            "Contract": str(rng.choice(["Month-to-month", "One year", "Two year"])),
            **changes,
        }
        items.append({"customer_id": f"d-{i}", "features": {**FEATURES, **values}})
    told = served.ask("POST", "/v1/predictions", {"items": items})
    assert told.status == 200, told.content


def _drift(served: Live, kind: str) -> dict[str, Any]:
    return next((d for d in _summary(served)["drift"] if d["kind"] == kind), {"n_customers": 0})


def test_drift_counts_each_customer_once_and_names_what_moved(
    served_folder: Path, postgres_url: str
) -> None:
    options = {**QUICK, "drift_rows": 100_000}
    with live(served_folder, postgres_url, **options) as served:
        _until(lambda: _summary(served)["refreshed_at"] is not None)
        _scored(served, 0, 400, tenure=1, Contract="Month-to-month")
        _until(lambda: _drift(served, "score")["n_customers"] == 400)
        _until(lambda: _drift(served, "features")["n_customers"] == 400)
        # The same customers again say nothing new.
        _scored(served, 0, 400, tenure=1, Contract="Month-to-month")
        _scored(served, 400, 1, tenure=1)
        _until(lambda: _drift(served, "score")["n_customers"] == 401)
        _until(lambda: _drift(served, "features")["n_customers"] == 401)
        found = _drift(served, "features")
        assert found["alarm_at"] is not None
        named = {one["name"]: one for one in found["features"]}
        assert named["tenure"]["alarm_at"] is not None
        assert named["tenure"]["psi"]["value"] > 1
        assert 0 < named["tenure"]["share_before"] < named["tenure"]["share_now"]
        (score,) = _drift(served, "score")["features"]
        assert score["name"] == "(score)"
    # Another replica goes on with the same streams.
    with live(served_folder, postgres_url, **options) as served:
        _scored(served, 500, 50)
        _until(lambda: _drift(served, "score")["n_customers"] == 451)
        _until(lambda: _drift(served, "features")["n_customers"] == 451)
        assert served.service is not None
        with served.service.project.ledger.reading() as connection:
            assert connection.execute(sa.text("select count(*) from drift_rows")).scalar() == 0
            assert connection.execute(sa.text("select count(*) from drift_streams")).scalar() == 2


def test_drift_on_sqlite_counts_the_same(served: Live) -> None:
    assert served.service is not None
    before = _drift(served, "score")["n_customers"]
    _scored(served, 10_000, 30)
    _scored(served, 10_000, 30)
    _until(lambda: _drift(served, "score")["n_customers"] == before + 30)


def test_features_of_a_batch_are_noted_too(served_folder: Path, postgres_url: str) -> None:
    rows = customers(300)
    with live(served_folder, postgres_url, **QUICK) as served:
        _until(lambda: _summary(served)["refreshed_at"] is not None)
        assert ended(served, upload(served, as_csv(rows)))["state"] == "finished"
        _until(lambda: _drift(served, "features")["n_customers"] == 300)
        first = _drift(served, "features")["features"][0]
        assert first["js"]["low"] <= first["js"]["value"] <= first["js"]["high"]


def test_features_are_noted_within_bounds(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url, drift_rows=0, **QUICK) as served:
        _scored(served, 0, 50)
        _until(lambda: _predicted(served) == 50)
        assert _drift(served, "features")["n_customers"] == 0


def test_old_minutes_become_hours_and_very_old_ones_go(ledger_url: str) -> None:
    now = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
    route = ("POST", "/v1/predictions", "v1")
    with Ledger.open(ledger_url) as ledger:
        engine = ledger.engine

        def total() -> Requests:
            found = Requests()
            for _, _, one in read_minutes(engine, now - timedelta(days=400), now):
                found += one
            return found

        for replica in ("a", "b"):
            for days, minutes in ((100, 0), (5, 0), (5, 7), (5, 59), (0, 1)):
                at = now - timedelta(days=days, minutes=minutes)
                one = Requests({"2xx": 3, "5xx": 1}, 0.5, {"0.01": 4})
                write_minutes(engine, replica, {(at, route): one})
                write_minutes(engine, replica, {(at, route): one})  # written again, counted once
        assert total().n == 40
        for _ in range(2):
            tidy_figures(engine, now=now, keep=timedelta(days=90))
            assert total() == Requests({"2xx": 24, "5xx": 8}, 4.0, {"0.01": 32})
        left = list(read_minutes(engine, now - timedelta(days=400), now))
        # Three minutes of two replicas: two hours; and the two rows of a minute ago.
        assert len(left) == 4
        assert list(read_scores(engine, now - timedelta(days=400), now)) == []


def test_quantiles_lie_within_their_bucket() -> None:
    buckets = {"0.01": 50, "0.1": 40, "1.0": 9, "+Inf": 1}
    assert quantile(buckets, 0.5) == pytest.approx(0.01)
    assert quantile(buckets, 0.7) == pytest.approx(0.055)
    assert quantile(buckets, 0.99) == pytest.approx(1.0)
    assert quantile(buckets, 0.999) is None
    assert quantile({}, 0.5) is None
