"""What single requests add to the figures, kept until a second is over or somebody scrapes.

Prometheus' client takes a lock for each figure and looks labels up; for a thousand requests at
once it costs hardly more than for one. Where several processes share their figures, any of them
may be scraped, so nothing is kept back.
"""

from __future__ import annotations

import os
from collections import Counter

from churnkit.domain.recording import PredictionColumns
from churnkit_service.metrics import Metrics

_MOST = 1_000
"""So many requests are added at once, however little of the second is over."""


class RouteTally:
    """Answers of one method of one route."""

    def __init__(self, metrics: Metrics, method: str, route: str, most: int) -> None:
        self._metrics = metrics
        self._most = most
        self._labels = method, route
        self._histogram = metrics.request_seconds.labels(method, route)
        self._statuses: list[int] = []
        self._seconds: list[float] = []

    def add(self, status: int, seconds: float) -> None:
        """One request was answered."""
        self._statuses.append(status)
        self._seconds.append(seconds)
        if len(self._seconds) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Bring the figures up to date."""
        if not self._seconds:
            return
        for status, n in Counter(self._statuses).items():
            self._metrics.requests.labels(*self._labels, str(status)).inc(n)
        self._histogram.observe_many(self._seconds)
        self._statuses.clear()
        self._seconds.clear()


class Tallies:
    """All that one process adds up; it belongs to one event loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._most = 1 if "PROMETHEUS_MULTIPROC_DIR" in os.environ else _MOST
        self._routes: dict[tuple[str, str], RouteTally] = {}
        self._predictions: dict[tuple[str, str], list[PredictionColumns]] = {}
        self._n_predictions = 0

    def route(self, method: str, route: str) -> RouteTally:
        """The tally of a route; its name is a template, so there are few."""
        tally = self._routes.get((method, route))
        if tally is None:
            tally = self._routes[method, route] = RouteTally(
                self._metrics, method, route, self._most
            )
        return tally

    def predicted(self, done: PredictionColumns) -> None:
        """Predictions were committed."""
        self._predictions.setdefault((done.model_version, done.variant), []).append(done)
        self._n_predictions += len(done)
        if self._n_predictions >= self._most:
            self._flush_predictions()

    def flush(self) -> None:
        """Bring the figures up to date."""
        for route in self._routes.values():
            route.flush()
        self._flush_predictions()

    def _flush_predictions(self) -> None:
        metrics = self._metrics
        for (version, variant), parts in self._predictions.items():
            metrics.predicted(version, variant, [b for part in parts for b in part.risk_bands])
            metrics.probability.labels(version).observe_many(
                [p for part in parts for p in part.probabilities]
            )
            unknown = sum(len(part) - part.unknown_categories.count(None) for part in parts)
            if unknown:
                metrics.unknown_categories.labels(version).inc(unknown)
        self._predictions.clear()
        self._n_predictions = 0
