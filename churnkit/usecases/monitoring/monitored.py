"""What a look at the models saw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import RenderableType

from churnkit.monitoring.alerts import Alert
from churnkit.monitoring.drift_report import DriftReport
from churnkit.monitoring.label_free import Beside, LabelFree
from churnkit.monitoring.performance import Quality
from churnkit.reporting.monitor_view import monitor_view
from churnkit.usecases.monitoring.notifying import Sent
from churnkit.usecases.result import Result


@dataclass(frozen=True)
class VersionMonitor:
    """One model version: what came true by month, and what is known before that."""

    version: str
    n_scored: int
    quality: tuple[Quality, ...]
    drift: DriftReport | None
    """Of its scores, each customer counted once; None: too little, or its bundle is away."""
    features: DriftReport | None
    """Of every feature in this period, each customer counted once; None: none was noted."""
    ahead: LabelFree | None
    """Of the customers whose labels have not matured; blind to concept drift."""
    beside: tuple[tuple[str, tuple[Beside, ...]], ...]
    """By month: what the scores had said with the labels known then, and what came true."""


@dataclass(frozen=True, repr=False)
class Monitored(Result):
    """What ``monitor`` saw, and what it makes of it."""

    now: datetime
    currency: str
    counting: str
    versions: tuple[VersionMonitor, ...]
    n_waiting_days: int
    """Days that have matured and lack outcomes: they are left out."""
    alerts: tuple[Alert, ...]
    sent: Sent | None = None
    plot: Path | None = None

    def __rich__(self) -> RenderableType:
        return monitor_view(
            [
                (v.version, v.n_scored, v.quality, v.drift, v.features, v.ahead, v.beside)
                for v in self.versions
            ],
            currency=self.currency,
            counting=self.counting,
            n_waiting_days=self.n_waiting_days,
            alerts=[(a.severity, a.sentence, a.request) for a in self.alerts],
            told=self._told(),
        )

    def _told(self) -> tuple[str, ...]:
        lines: list[str] = []
        if self.sent is not None:
            lines.append(
                f"Sent {len(self.sent.sent)} alerts by {' and '.join(self.sent.channels)}."
                if self.sent.channels
                else f"No alert was sent: {len(self.sent.held)} were sent not long ago."
            )
            lines += [f"Not taken by {failure}" for failure in self.sent.failures]
        if self.plot is not None:
            lines.append(f"The figures by month are drawn in {self.plot}.")
        return tuple(lines)

    def to_json(self) -> dict[str, object]:
        return {
            "now": self.now.isoformat(),
            "counting": self.counting,
            "n_waiting_days": self.n_waiting_days,
            "versions": [
                {
                    "version": one.version,
                    "n_scored": one.n_scored,
                    "quality": [q.model_dump(mode="json") for q in one.quality],
                    "drift": one.drift and one.drift.model_dump(mode="json"),
                    "feature_drift": one.features and one.features.model_dump(mode="json"),
                    "label_free": one.ahead and one.ahead.model_dump(mode="json"),
                    "beside": {
                        month: [row.model_dump(mode="json") for row in rows]
                        for month, rows in one.beside
                    },
                }
                for one in self.versions
            ],
            "alerts": [alert.model_dump(mode="json") for alert in self.alerts],
            "sent": None
            if self.sent is None
            else {
                "alerts": [alert.key for alert in self.sent.sent],
                "held": [alert.key for alert in self.sent.held],
                "ended": list(self.sent.ended),
                "channels": list(self.sent.channels),
                "failures": list(self.sent.failures),
            },
            "plot": None if self.plot is None else str(self.plot),
        }
