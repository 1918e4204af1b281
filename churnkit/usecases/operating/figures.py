"""How much was predicted and asked, how quickly, with which errors, and how far scores drifted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from churnkit.errors import BadValue
from churnkit.ledger import service_minutes as ledger
from churnkit.ledger.monitoring import MonthlyFigure, read_months
from churnkit.ledger.refreshing import Figures, refreshed_at
from churnkit.ledger.service_minutes import Requests, Route
from churnkit.project import Project
from churnkit.usecases.monitoring.drifting import Drift, drift_reports

__all__ = ["Figures", "Requests", "Route"]
WIDTHS = (60, 300, 900, 3_600, 21_600, 86_400)
"""Of the buckets of time, in seconds."""
MOST_BUCKETS, USUAL_BUCKETS = 1_500, 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Variant = tuple[str, str, bool]
"""Model version, variant, whether they are shadows."""


@dataclass(frozen=True)
class Summary:
    """Figures of [since, until), in all and by buckets of ``width_seconds``."""

    since: datetime
    until: datetime
    width_seconds: int
    refreshed_at: datetime | None
    predictions: Mapping[Variant, Figures]
    prediction_times: Mapping[tuple[datetime, Variant], Figures]
    requests: Mapping[Route, Requests]
    request_times: Mapping[datetime, Requests]
    drift: tuple[Drift, ...]


def metrics_summary(
    project: Project,
    *,
    since: datetime,
    until: datetime,
    width_seconds: int | None = None,
    model_version: str | None = None,
    variant: str | None = None,
    route: str | None = None,
) -> Summary:
    """Figures of all replicas together.

    Parameters
    ----------
    since, until : of whole minutes, of whole hours when they are more than two days ago
    width_seconds : of a bucket, one of ``WIDTHS``; None: the finest that gives few enough
    model_version, variant : of predictions and drift
    route : of the requests by time, a template such as ``/v1/predictions``

    Raises
    ------
    BadValue : there would be too many buckets
    """
    begin = since.astimezone(UTC).replace(second=0, microsecond=0)
    width = width_of(begin, until, width_seconds)
    engine = project.ledger.engine
    predictions: dict[Variant, Figures] = defaultdict(Figures)
    prediction_times: dict[tuple[datetime, Variant], Figures] = defaultdict(Figures)
    for key, figures in ledger.read_scores(
        engine, begin, until, model_version=model_version, variant=variant
    ):
        predictions[key[1:]] += figures
        prediction_times[_bucket(key[0], width), key[1:]] += figures
    requests: dict[Route, Requests] = defaultdict(Requests)
    request_times: dict[datetime, Requests] = defaultdict(Requests)
    for minute, place, found in ledger.read_minutes(engine, begin, until):
        requests[place] += found
        if route in (None, place[1]):
            request_times[_bucket(minute, width)] += found
    return Summary(
        since=begin,
        until=until,
        width_seconds=width,
        refreshed_at=refreshed_at(engine),
        predictions=predictions,
        prediction_times=prediction_times,
        requests=requests,
        request_times=request_times,
        drift=drift_reports(project, model_version=model_version, since=begin),
    )


def width_of(since: datetime, until: datetime, asked: int | None) -> int:
    """How wide a bucket of time is, in seconds.

    Raises
    ------
    BadValue : the time ends before it begins, or there would be more than 1,500 buckets
    """
    span = (until - since).total_seconds()
    if span <= 0:
        raise BadValue(
            "the time ends before it begins.", fix="Give a later 'to', or an earlier 'from'.",
            field="query.to",
        )  # fmt: skip
    fitting = [width for width in WIDTHS if span / width <= MOST_BUCKETS]
    if not fitting or (asked is not None and asked not in fitting):
        finest = f"at least {fitting[0]} seconds" if fitting else "a shorter time"
        raise BadValue(
            f"that would be more than {MOST_BUCKETS} buckets of time.",
            fix=f"Ask for {finest}.",
            field="query.bucket_seconds" if fitting else "query.from",
        )
    usual = [width for width in fitting if span / width <= USUAL_BUCKETS]
    return asked or (usual or fitting)[0]


def _bucket(minute: datetime, width: int) -> datetime:
    seconds = int((minute - _EPOCH).total_seconds())
    return _EPOCH + timedelta(seconds=seconds // width * width)


def quantile(buckets: Mapping[str, int], share: float) -> float | None:
    """Seconds within which this share of requests was answered, between the bounds of a bucket
    by equal parts; None: there were none, or it is beyond the last bound."""
    total = sum(buckets.values())
    if not total:
        return None
    counted, low = 0, 0.0
    for bound, n in sorted((float(name), n) for name, n in buckets.items()):
        if n and counted + n >= share * total:
            if bound == float("inf"):
                return None
            return low + (bound - low) * (share * total - counted) / n
        counted += n
        low = bound
    return None


def monthly_quality(project: Project) -> tuple[MonthlyFigure, ...]:
    """Figures of matured customers by version and month, as ``monitor`` measured them last."""
    return read_months(project.ledger.engine)
