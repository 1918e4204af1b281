"""What the Monitor decides without a window; and charts that are updated for a long time."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psutil
import pytest
from churnkit_desktop.backend.monitor_facts import AlertLine, Interval, QualityLine, measured
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.monitor.state import Alerts, LiveRate, courses, figures, months
from churnkit_desktop.theme.style import Theme

from churnkit.client.messages.feed import FeedPredictions

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _news(begin: float, end: float, n: int, probability: float = 0.5) -> FeedPredictions:
    since, until = (NOW + timedelta(seconds=s) for s in (begin, end))
    count = {
        "model_version": "v1", "variant": "champion", "risk_band": "high", "n": n,
        "mean_probability": probability,
    }  # fmt: skip
    return FeedPredictions.model_validate(
        {"from": since.isoformat(), "to": until.isoformat(), "n": n, "counts": [count]}
    )


def test_a_steady_stream_is_drawn_steady_whatever_the_windows_are() -> None:
    rate = LiveRate()
    # The service looks every 1.13 s and tells what came in between: 50 a second.
    for i in range(80):
        rate.told(_news(i * 1.13, (i + 1) * 1.13, round(50 * 1.13)))
    now = NOW.timestamp() + 91
    rate.forget(now)
    x, y = rate.series(now)
    inside = [value for second, value in zip(x, y, strict=True) if second > -85]
    assert min(inside) > 45 and max(inside) < 55
    assert rate.per_second(now) == pytest.approx(50, rel=0.05)
    assert rate.per_second(now + 60) == 0.0, "a stream that has ended is not drawn on"


def test_what_is_older_than_two_minutes_is_let_go() -> None:
    rate = LiveRate()
    for i in range(1_000):
        rate.told(_news(i, i + 1, 10, 0.2))
        rate.forget(NOW.timestamp() + i + 1)
    assert len(rate.n) < 130 and len(rate.total) < 130
    assert sum(rate.by_band.values()) == pytest.approx(1_210, abs=20)
    assert rate.mean_probability() == pytest.approx(0.2, rel=0.02)


def test_quality_runs_along_the_months_for_each_version() -> None:
    lines = [
        QualityLine(v, m, "roc_auc", 100, Interval(a, a - 0.1, a + 0.1))
        for v, m, a in (("v1", "2026-01", 0.7), ("v1", "2026-03", 0.6), ("v2", "2026-03", 0.8))
    ] + [QualityLine("v1", "2026-01", "odd", 100, Interval(1, 1, 1))]
    assert months(lines) == ["2026-01", "2026-03"] and figures(lines) == ["roc_auc", "odd"]
    one, two = courses(lines, "roc_auc")
    assert (one.x, two.x) == ((0.0, 1.0), (1.0,))
    assert one.low == pytest.approx((0.6, 0.5))


def test_an_alert_is_listed_once_the_latest_first() -> None:
    alerts = Alerts()
    alerts.told(NOW, "warning", "v1: worse")
    known = [AlertLine(None, "info", "v1: drift"), AlertLine(NOW, "warning", "v1: worse")]
    assert [line.what for line in alerts.with_known(known)] == ["v1: worse", "v1: drift"]


def test_what_was_measured_is_read_as_it_is_told() -> None:
    figure = {"value": 0.7, "low": 0.6, "high": 0.8}
    feature = {
        "name": "tenure", "alarm": None, "overall": {"psi": figure, "ks": None},
        "moved": {"bin": "below 3", "before": 0.1, "now": 0.4},
    }  # fmt: skip
    month = {"month": "2026-01", "n": 50, "metrics": {"brier": figure}, "rate": figure}
    told = {
        "versions": [
            {
                "version": "v1",
                "drift": {"n_rows": 9, "features": [feature]},
                "quality": [month, {**month, "month": None}],
                "label_free": {"n": 5, "metrics": {"roc_auc": figure}, "caveat": "blind"},
            }
        ],
        "alerts": [{"since": None, "severity": "info", "what": "look"}],
    }
    facts = measured(told)
    assert facts.drift[0].moved == "below 3: 10.0 % → 40.0 %"
    assert {line.name for line in facts.quality} == {"brier", "rate"}
    assert facts.ahead[0].caveat == "blind" and facts.alerts[0].severity == "info"


def test_a_chart_that_nobody_has_seen_costs_nothing_and_draws_when_it_is_seen(
    qtbot: Any, qapp: Any
) -> None:
    chart = Chart(Theme(qapp, "light"), "test", x_label="x", y_label="y")
    qtbot.addWidget(chart)
    for i in range(50):
        chart.line("a", [0, 1], [0, i])
    chart.line("b", [0, 1], [1, 1])
    chart.drop("b")
    assert not chart.is_made and chart.names() == ("a",)
    chart.show()
    qtbot.waitUntil(lambda: chart.is_made, timeout=5_000)
    assert chart.table()[1:] == [["a", 0.0, 0.0], ["a", 1.0, 49.0]]


@pytest.mark.long
def test_memory_stays_flat_over_ten_thousand_updates(qtbot: Any, qapp: Any) -> None:
    chart = Chart(Theme(qapp, "light"), "test", x_label="x", y_label="y")
    qtbot.addWidget(chart)
    chart.resize(700, 300)
    chart.show()
    x = np.arange(120.0)
    rng = np.random.default_rng(1)
    process = psutil.Process()
    sizes = []
    for i in range(10_000):
        y = rng.normal(size=120).cumsum()
        chart.line("a", x, y)
        chart.band("b", x, y - 1, y + 1, colour=1)
        if i % 5 == 0:
            chart.plot.repaint()
        if i % 1_000 == 999:
            qapp.processEvents()
            gc.collect()
            sizes.append(process.memory_info().rss / 2**20)
    print("MiB after each thousand:", [round(size) for size in sizes])
    assert sizes[-1] - sizes[1] < 20
