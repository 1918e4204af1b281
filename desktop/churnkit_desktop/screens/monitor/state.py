"""What the feed has told of the last minutes, and figures put in order for drawing; no Qt."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from churnkit.client.messages.feed import FeedPredictions
from churnkit_desktop.backend.monitor_facts import AlertLine, QualityLine
from churnkit_desktop.language import tr

SECONDS = 120
BINS = 20
MOST_ALERTS = 200
FIGURES = {
    "roc_auc": tr("ROC AUC (higher is better)"),
    "brier": tr("Brier score (lower is better)"),
    "ece": tr("Calibration error (lower is better)"),
    "calibration_gap": tr("Gap between probability and rate"),
    "profit": tr("Profit per customer"),
    "lift": tr("Lift of the riskiest tenth"),
    "rate": tr("Share that left"),
}


@dataclass
class LiveRate:
    """Predictions by the second.

    Each second is kept under its own number, so that news that come late are counted where they
    belong.
    """

    n: dict[int, float] = field(default_factory=dict)
    total: dict[int, float] = field(default_factory=dict)
    """Sum of the probabilities."""
    by_band: dict[str, int] = field(default_factory=dict)
    _bands: deque[tuple[int, str, int]] = field(default_factory=deque)

    def told(self, news: FeedPredictions) -> None:
        """Predictions of a second or so: spread over the seconds that it touches."""
        begin, end = news.from_.timestamp(), news.to.timestamp()
        second = int(end)
        long = end - begin
        if 0 < long <= SECONDS:
            for touched in range(int(begin), second + 1):
                inside = min(end, touched + 1.0) - max(begin, float(touched))
                if inside > 0:
                    self.n[touched] = self.n.get(touched, 0.0) + news.n * inside / long
        else:
            self.n[second] = self.n.get(second, 0.0) + news.n
        for count in news.counts:
            added = count.n * count.mean_probability
            self.total[second] = self.total.get(second, 0.0) + added
            self.by_band[count.risk_band] = self.by_band.get(count.risk_band, 0) + count.n
            self._bands.append((second, count.risk_band, count.n))

    def forget(self, now: float) -> None:
        """Let go of what is older than is shown."""
        oldest = int(now) - SECONDS
        for kept in (self.n, self.total):
            for second in [second for second in kept if second < oldest]:
                del kept[second]
        while self._bands and self._bands[0][0] < oldest:
            _, band, n = self._bands.popleft()
            self.by_band[band] -= n

    def series(self, now: float) -> tuple[list[float], list[float]]:
        """Seconds before now (negative), and predictions in each; what is not told yet is out.

        The service counts a second when all of it is committed, some three seconds later.
        """
        # The last one that was told is not complete.
        last = max(self.n, default=int(now) - 4) - 1
        first = int(now) - SECONDS
        seconds = range(first, last + 1)
        return (
            [float(second - int(now)) for second in seconds],
            [float(self.n.get(second, 0)) for second in seconds],
        )

    def per_second(self, now: float, window: int = 10) -> float:
        """The mean over the last seconds that were told."""
        last = max(self.n, default=0) - 1
        if last < now - 15:
            return 0.0
        return (
            sum(self.n.get(second, 0.0) for second in range(last - window + 1, last + 1)) / window
        )

    def mean_probability(self) -> float | None:
        """Of what was scored in the minutes that are shown."""
        n = sum(self.n.values())
        return sum(self.total.values()) / n if n else None


@dataclass
class Alerts:
    """Alerts of this session, the latest first, each told once."""

    lines: deque[AlertLine] = field(default_factory=lambda: deque(maxlen=MOST_ALERTS))

    def told(self, at: datetime, severity: str, what: str) -> None:
        """One has come."""
        self.lines.appendleft(AlertLine(at, severity, what))

    def with_known(self, known: Sequence[AlertLine]) -> list[AlertLine]:
        """These and others that are known, the latest first; without a date at the end."""
        seen = {line.what for line in self.lines}
        every = [*self.lines, *(line for line in known if line.what not in seen)]
        return sorted(every, key=lambda line: -(line.at.timestamp() if line.at else 0.0))


@dataclass(frozen=True)
class Course:
    """A figure of one version, month by month; positions are those of ``months``."""

    version: str
    x: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def months(lines: Sequence[QualityLine]) -> list[str]:
    """All months that have figures, in order."""
    return sorted({line.month for line in lines})


def figures(lines: Sequence[QualityLine]) -> list[str]:
    """The figures that there are, those first that say most."""
    there = {line.name for line in lines}
    return [name for name in FIGURES if name in there] + sorted(there - set(FIGURES))


def courses(lines: Sequence[QualityLine], name: str) -> list[Course]:
    """One figure of each version along the months."""
    place = {month: float(i) for i, month in enumerate(months(lines))}
    found = []
    for version in sorted({line.version for line in lines}):
        mine = sorted(
            (line for line in lines if line.version == version and line.name == name),
            key=lambda line: line.month,
        )
        if mine:
            found.append(
                Course(
                    version,
                    tuple(place[line.month] for line in mine),
                    tuple(line.figure.value for line in mine),
                    tuple(line.figure.low for line in mine),
                    tuple(line.figure.high for line in mine),
                )
            )
    return found
