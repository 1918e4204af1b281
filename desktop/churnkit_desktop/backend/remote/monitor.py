"""What a service tells of itself: requests, scores, drift, and what came true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from churnkit.client.calls import figures
from churnkit.client.messages.figures import DriftBand, MetricsSummary, QualityAnswer
from churnkit_desktop.backend.monitor_facts import (
    DriftLine,
    Interval,
    Minute,
    MonitorFacts,
    QualityLine,
    Shape,
    moved_words,
    shares,
)
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.language import tr

HOURS = 3
_BUCKET = 60
_WHY = {
    "requests": tr("Nobody has asked the service in these hours."),
    "scores": tr("Nobody was scored in these hours."),
    "drift": tr("Too few customers were scored to compare them with the training."),
    "quality": tr(
        "Nothing was measured yet. 'churnkit monitor' in the service's "
        "project measures it, and so does each retraining; outcomes must "
        "have matured."
    ),
    "ahead": tr(
        "The service does not estimate this by itself: run 'churnkit monitor' in its project."
    ),
    "alerts": tr("No alert has come since this console connected."),
}


def monitor(line: Line) -> MonitorFacts:
    """The last hours, and the quality by month."""
    until = datetime.now(UTC)
    told: MetricsSummary
    quality: QualityAnswer
    told, quality = line.ask_all(
        figures.metrics_summary(
            since=until - timedelta(hours=HOURS), until=until, bucket_seconds=_BUCKET
        ),
        figures.quality(),
    )
    return MonitorFacts(
        minutes=tuple(
            Minute(
                at=one.at,
                per_second=one.n / told.bucket_seconds,
                error_share=one.error_share,
                p50=one.p50_seconds,
                p95=one.p95_seconds,
                p99=one.p99_seconds,
            )
            for one in told.request_times
        ),
        shapes=tuple(
            Shape(
                f"{one.model_version} · {one.variant}{' (shadow)' if one.shadow else ''}",
                one.n,
                one.mean_probability,
                shares(one.bins),
            )
            for one in told.predictions
        ),
        drift=tuple(
            DriftLine(
                version=model.model_version,
                name=one.name,
                n=model.n_customers,
                psi=_interval(one.psi),
                ks=None if one.ks is None else _interval(one.ks),
                proven_at=one.alarm_at,
                moved=moved_words(one.moved, one.share_before, one.share_now),
            )
            for model in told.drift
            for one in model.features
        ),
        quality=tuple(
            QualityLine(
                one.model_version, one.month, one.name, one.n,
                Interval(one.value, one.low, one.high),
            )
            for one in quality.figures
        ),
        why=_WHY,
    )  # fmt: skip


def _interval(told: DriftBand) -> Interval:
    return Interval(told.value, told.low, told.high)
