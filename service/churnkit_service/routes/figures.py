"""``/v1/metrics/summary``: volume, latency, errors, scores and drift of all replicas together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from churnkit.client.messages.figures import (
    MetricsSummary,
    QualityAnswer,
    ScoresAnswer,
    SummaryQuery,
)
from churnkit.errors import BadValue, StorageUnreachable
from churnkit.usecases.monitoring.drifting import Drift
from churnkit.usecases.operating import figures as usecases
from churnkit.usecases.scoring.customers import SCORE_BINS, score_distribution
from churnkit_service.endpoint import Call, Endpoint, json_response, read_query
from churnkit_service.problems import RequestInvalid

_DAY = timedelta(days=1)


async def summary(call: Call) -> web.Response:
    """Figures of a time."""
    asked = read_query(call, SummaryQuery)
    until = asked.to or datetime.now(UTC)
    found = await call.ask(
        usecases.metrics_summary,
        since=asked.from_ or until - _DAY,
        until=until,
        width_seconds=None if asked.bucket_seconds is None else int(asked.bucket_seconds),
        model_version=asked.model_version,
        variant=asked.variant,
        route=asked.route,
    )
    moment = found.refreshed_at
    return json_response(
        {
            "from": found.since.isoformat(),
            "to": found.until.astimezone(UTC).isoformat(),
            "bucket_seconds": found.width_seconds,
            "refreshed_at": None if moment is None else moment.isoformat(),
            "predictions": [
                {**_scores(key, figures), "bins": figures.bins}
                for key, figures in sorted(found.predictions.items())
            ],
            "prediction_times": [
                {"at": at.isoformat(), **_scores(key, figures)}
                for (at, key), figures in sorted(
                    found.prediction_times.items(), key=lambda one: one[0]
                )
            ],
            "requests": [
                {"method": method, "route": route, "model_version": version, **_requests(one)}
                for (method, route, version), one in sorted(
                    found.requests.items(), key=lambda one: one[0]
                )
            ],
            "request_times": [
                {"at": at.isoformat(), **_requests(one)}
                for at, one in sorted(found.request_times.items(), key=lambda one: one[0])
            ],
            "drift": [_drift(one) for one in found.drift],
        }
    )


async def scores(call: Call) -> web.Response:
    """The latest scores of all customers, in bins."""
    bins = await call.ask(score_distribution)
    return json_response(
        {
            "n": sum(one.n for one in bins),
            "bin_width": 1 / SCORE_BINS,
            "bins": [one._asdict() for one in bins],
        }
    )


async def quality(call: Call) -> web.Response:
    """What came true, by model version and month."""
    found = await call.ask(usecases.monthly_quality)
    return json_response(
        {
            "figures": [
                {
                    "model_version": one.model_version,
                    "month": one.month,
                    "name": one.name,
                    "n": one.n,
                    **one.estimate.model_dump(),
                }
                for one in found
            ]
        }
    )


def _scores(key: tuple[str, str, bool], figures: usecases.Figures) -> dict[str, Any]:
    return {
        "model_version": key[0],
        "variant": key[1],
        "shadow": key[2],
        "n": figures.n,
        "n_unknown": figures.n_unknown,
        "mean_probability": figures.total / figures.n if figures.n else 0.0,
        "by_band": figures.bands,
    }


def _requests(found: usecases.Requests) -> dict[str, Any]:
    n = found.n
    return {
        "n": n,
        "by_status": found.statuses,
        "error_share": found.statuses.get("5xx", 0) / n if n else 0.0,
        "mean_seconds": found.seconds / n if n else 0.0,
        "p50_seconds": usecases.quantile(found.buckets, 0.5),
        "p95_seconds": usecases.quantile(found.buckets, 0.95),
        "p99_seconds": usecases.quantile(found.buckets, 0.99),
    }


def _drift(found: Drift) -> dict[str, Any]:
    report = found.report
    return {
        "model_version": found.model_version,
        "kind": found.kind,
        "began_at": found.began_at.isoformat(),
        "updated_at": found.updated_at.isoformat(),
        "n_customers": report.n_rows,
        "alpha": report.alpha,
        "exact": report.exact,
        "alarm_at": _at(report.alarm),
        "features": [
            {
                "name": one.name,
                "alarm_at": _at(one.alarm),
                "p_value": one.p_value,
                "psi": one.overall.psi.model_dump(),
                "ks": None if one.overall.ks is None else one.overall.ks.model_dump(),
                "js": one.overall.js.model_dump(),
                "moved": one.moved.bin,
                "share_before": one.moved.before,
                "share_now": one.moved.now,
            }
            for one in report.features
        ],
    }


def _at(alarm: Any) -> str | None:
    return None if alarm is None or alarm.at is None else alarm.at.isoformat()


ENDPOINTS = (
    Endpoint(
        "GET", "/v1/metrics/summary", summary, "Sum up volume, latency, errors, scores and drift",
        "metrics", "read", query=SummaryQuery,
        answers={200: (MetricsSummary, "Figures of all replicas together.")},
        problems=(RequestInvalid, BadValue, StorageUnreachable),
        description="By model version, variant and time. Requests count a few seconds after they "
        "are answered. What is older than two days is known by the hour. Drift is that of "
        "customers who are scored now from those of the training; each counts once.",
    ),
    Endpoint(
        "GET", "/v1/metrics/scores", scores, "Show how the latest scores are distributed",
        "metrics", "read",
        answers={200: (ScoresAnswer, "All customers that were scored, in bins.")},
        problems=(StorageUnreachable,),
        description="Enough to say what a campaign to the riskiest n customers earns, without "
        "reading them one by one.",
    ),
    Endpoint(
        "GET", "/v1/metrics/quality", quality, "Show how good the models were, month by month",
        "metrics", "read",
        answers={200: (QualityAnswer, "Figures with intervals; empty: none was measured yet.")},
        problems=(StorageUnreachable,),
        description="Measured by `churnkit monitor` and before each retraining, on customers "
        "whose outcomes have matured.",
    ),
)  # fmt: skip
