"""What a backend tells of how models and service are doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from churnkit_desktop.language import tr
from churnkit_desktop.words import percent

Document = Mapping[str, Any]
SCORE = tr("(score)")


@dataclass(frozen=True)
class Interval:
    """A figure, and where the true one probably lies."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, told: Document) -> Interval:
        """From value, low and high."""
        return cls(float(told["value"]), float(told["low"]), float(told["high"]))


@dataclass(frozen=True)
class Minute:
    """Requests in one bucket of time; times in seconds, None where they were too long to say."""

    at: datetime
    per_second: float
    error_share: float
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Shape:
    """How the scores of a model are distributed.

    ``shares``: of equal bins of [0, 1]; they add up to 1.
    """

    name: str
    n: int
    mean: float
    shares: tuple[float, ...]


@dataclass(frozen=True)
class DriftLine:
    """How far a feature, or the score, is from the training's."""

    version: str
    name: str
    n: int
    psi: Interval
    ks: Interval | None
    proven_at: datetime | None
    """When drift was proven; None: it is not."""
    moved: str
    """The part whose share changed most, in words."""


@dataclass(frozen=True)
class QualityLine:
    """A figure of a version in a month, on customers whose outcomes are known."""

    version: str
    month: str
    name: str
    n: int
    figure: Interval


@dataclass(frozen=True)
class AheadLine:
    """What the scores alone say of customers whose outcomes are not known yet."""

    version: str
    name: str
    n: int
    figure: Interval
    caveat: str


@dataclass(frozen=True)
class AlertLine:
    """One thing that a person should know."""

    at: datetime | None
    severity: str
    what: str


@dataclass(frozen=True)
class MonitorFacts:
    """Everything; ``why`` says of a part that is empty why it is.

    Its keys: live, requests, scores, drift, quality, ahead, alerts.
    """

    minutes: tuple[Minute, ...] = ()
    shapes: tuple[Shape, ...] = ()
    drift: tuple[DriftLine, ...] = ()
    quality: tuple[QualityLine, ...] = ()
    ahead: tuple[AheadLine, ...] = ()
    alerts: tuple[AlertLine, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)
    can_measure: bool = False
    """Whether quality, drift and alerts can be measured from here."""


def measured(told: Document) -> MonitorFacts:
    """From ``Monitored.to_json()``: what ``churnkit.monitor`` saw."""
    drift: list[DriftLine] = []
    quality: list[QualityLine] = []
    ahead: list[AheadLine] = []
    for one in told["versions"]:
        version = one["version"]
        report = one.get("drift")
        if report:
            drift += [_drift(version, report["n_rows"], line) for line in report["features"]]
        for month in one["quality"]:
            if month["month"] is None:
                continue
            figures = {**month["metrics"], "rate": month["rate"]}
            quality += [
                QualityLine(version, month["month"], name, month["n"], Interval.of(figure))
                for name, figure in figures.items()
            ]
        estimate = one.get("label_free")
        if estimate:
            ahead += [
                AheadLine(version, name, estimate["n"], Interval.of(figure), estimate["caveat"])
                for name, figure in estimate["metrics"].items()
            ]
    alerts = [AlertLine(_moment(a["since"]), a["severity"], a["what"]) for a in told["alerts"]]
    return MonitorFacts(
        drift=tuple(drift), quality=tuple(quality), ahead=tuple(ahead), alerts=tuple(alerts)
    )


def _drift(version: str, n: int, told: Document) -> DriftLine:
    overall, alarm, moved = told["overall"], told.get("alarm"), told["moved"]
    ks = overall.get("ks")
    return DriftLine(
        version=version,
        name=told["name"],
        n=n,
        psi=Interval.of(overall["psi"]),
        ks=None if ks is None else Interval.of(ks),
        proven_at=_moment(alarm.get("at")) if alarm else None,
        moved=moved_words(moved["bin"], moved["before"], moved["now"]),
    )


def moved_words(part: str, before: float, now: float) -> str:
    """The part whose share changed most."""
    return f"{part}: {percent(before)} → {percent(now)}"


def shares(counts: Sequence[int]) -> tuple[float, ...]:
    """Counts as shares of their sum."""
    total = sum(counts) or 1
    return tuple(n / total for n in counts)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
