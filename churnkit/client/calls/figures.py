"""Requests about figures."""

from __future__ import annotations

from datetime import datetime

from churnkit.client.call import Call
from churnkit.client.messages.figures import MetricsSummary, QualityAnswer, ScoresAnswer


def metrics_summary(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    bucket_seconds: int | None = None,
    model_version: str | None = None,
    variant: str | None = None,
    route: str | None = None,
) -> Call[MetricsSummary]:
    """Volume, latency, errors, scores and drift in [since, until).

    Parameters
    ----------
    since, until : None: a day before ``until``, and now
    bucket_seconds : 60, 300, 900, 3600, 21600 or 86400; None: what fits
    """
    given = {
        "from": None if since is None else since.isoformat(),
        "to": None if until is None else until.isoformat(),
        "bucket_seconds": bucket_seconds,
        "model_version": model_version,
        "variant": variant,
        "route": route,
    }
    query = {name: str(value) for name, value in given.items() if value is not None}
    return Call("GET", "/v1/metrics/summary", MetricsSummary, query=query)


def score_distribution() -> Call[ScoresAnswer]:
    """The latest scores of all customers, in bins."""
    return Call("GET", "/v1/metrics/scores", ScoresAnswer)


def quality() -> Call[QualityAnswer]:
    """What came true, by model version and month."""
    return Call("GET", "/v1/metrics/quality", QualityAnswer)
