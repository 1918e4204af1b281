"""Figures of the service: volume, latency, errors, scores and their drift."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from churnkit.client.messages.message import Answer, Moment, Request

_Text = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]


class SummaryQuery(Request):
    """Figures of which time."""

    from_: Moment | None = Field(
        None, alias="from", description="From this moment on; null: a day before `to`."
    )
    to: Moment | None = Field(None, description="Before this moment; null: now.")
    bucket_seconds: Literal["60", "300", "900", "3600", "21600", "86400"] | None = Field(
        None, description="Left out: the finest that gives at most 400 buckets."
    )
    model_version: _Text | None = Field(None, description="Of predictions and drift.")
    variant: _Text | None = Field(None, description="Of predictions.")
    route: _Text | None = Field(
        None, description="Of `request_times`, such as /v1/predictions; null: all."
    )


class ScoreFigures(Answer):
    """Predictions of one model version and variant."""

    model_version: str
    variant: str
    shadow: bool = Field(description="They did not answer: a challenger scored, too.")
    n: int
    n_unknown: int = Field(description="With a category that the model never saw.")
    mean_probability: float
    by_band: dict[str, int]


class ScoreDistribution(ScoreFigures):
    """The same, with the distribution of the probabilities."""

    bins: tuple[int, ...] = Field(description="How many in each twentieth of [0, 1].")


class ScoreFiguresAt(ScoreFigures):
    """The same, in one bucket of time."""

    at: datetime


class RequestFigures(Answer):
    """Answered requests."""

    n: int
    by_status: dict[str, int] = Field(examples=[{"2xx": 100, "4xx": 2}])
    error_share: float = Field(description="Share that failed by our fault (5xx).")
    mean_seconds: float
    p50_seconds: float | None = Field(description="Half were quicker; by buckets, so roughly.")
    p95_seconds: float | None
    p99_seconds: float | None = Field(description="null: longer than the last bucket.")


class RouteFigures(RequestFigures):
    """The same of one address, while one model version served."""

    method: str
    route: str
    model_version: str = Field(description="Empty where no model is asked.")


class RequestFiguresAt(RequestFigures):
    """The same, in one bucket of time."""

    at: datetime


class DriftBand(Answer):
    """A distance, and where the true one lies at all times."""

    value: float
    low: float
    high: float


class DriftOfFeature(Answer):
    """How far a feature, or the score, is from the training's."""

    name: str = Field(description="A column, or '(score)'.")
    alarm_at: datetime | None = Field(description="When its drift was proven; null: it is not.")
    p_value: float
    psi: DriftBand = Field(description="Population stability index, in nats.")
    ks: DriftBand | None = Field(description="Kolmogorov-Smirnov; null: values have no order.")
    js: DriftBand = Field(description="Jensen-Shannon divergence, in nats.")
    moved: str = Field(description="The part whose share changed most.")
    share_before: float
    share_now: float


class DriftOfModel(Answer):
    """What a drift test says of one stream of customers."""

    model_version: str
    kind: Literal["score", "features"]
    began_at: datetime
    updated_at: datetime
    n_customers: int
    alpha: float = Field(description="Probability of a false alarm, ever, in this stream.")
    exact: bool = Field(description="The error holds exactly; else it was measured.")
    alarm_at: datetime | None = Field(description="When drift was proven; null: it is not.")
    features: tuple[DriftOfFeature, ...]


class MetricsSummary(Answer):
    """Figures of all replicas together."""

    from_: datetime = Field(alias="from")
    to: datetime
    bucket_seconds: int
    refreshed_at: datetime | None = Field(
        description="Predictions that were committed by this moment count."
    )
    predictions: tuple[ScoreDistribution, ...]
    prediction_times: tuple[ScoreFiguresAt, ...]
    requests: tuple[RouteFigures, ...]
    request_times: tuple[RequestFiguresAt, ...]
    drift: tuple[DriftOfModel, ...]


class ScoreBin(Answer):
    """Customers whose latest probabilities are close to each other."""

    n: int
    mean_probability: float = Field(ge=0, le=1)


class ScoresAnswer(Answer):
    """The latest scores of all customers, by bins of equal width."""

    n: int
    bin_width: float = Field(description="Nobody's probability is farther from its bin's mean.")
    bins: tuple[ScoreBin, ...] = Field(description="The riskiest first; empty ones are left out.")


class MonthlyFigure(Answer):
    """A figure of a model version on customers whose outcomes are known, with its interval."""

    model_version: str
    month: str = Field(examples=["2026-03"])
    name: str = Field(description="roc_auc, brier, …; rate: who left.", examples=["roc_auc"])
    value: float
    low: float
    high: float
    n: int = Field(description="Customers that count.")


class QualityAnswer(Answer):
    """What came true, by model version and month, as it was measured last."""

    figures: tuple[MonthlyFigure, ...]
