"""What the handlers of one process share: settings, model, writer, keys, figures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from prometheus_client import Counter

from churnkit.domain.recording import PredictionColumns
from churnkit.errors import ChurnkitError
from churnkit.project import Project
from churnkit.settings import ServiceTable
from churnkit.usecases import online as usecases
from churnkit.usecases.happenings import forget_happenings
from churnkit_service.auth import Caller, KeyRing
from churnkit_service.champion import Champion
from churnkit_service.feed import Feed
from churnkit_service.metrics import Metrics
from churnkit_service.online import OnlineFeatures, StateFeatures
from churnkit_service.presence import Presence
from churnkit_service.queries import Queries
from churnkit_service.rates import Rates
from churnkit_service.rounds import Rounds
from churnkit_service.warm import WarmModels

SERVICE: web.AppKey[Service] = web.AppKey("service")
ANYBODY = Caller("", frozenset())
access = logging.getLogger("churnkit.access")
_SLOW_SECONDS = 1.0
Watch = Callable[[web.Request, int, float, str], None]


class Service:
    """One process's resources; ``start`` and ``close`` belong to its event loop.

    Parameters
    ----------
    project : the opened project, its ledger's URL already the service's
    settings : the table ``service`` of churnkit.toml
    development : without an API key from this machine
    online_features : reads features of customers who are only named; None: the online state in
        the ledger's database, if the project has events
    """

    def __init__(
        self,
        project: Project,
        settings: ServiceTable,
        *,
        development: bool = False,
        online_features: OnlineFeatures | None = None,
    ) -> None:
        self.project = project
        self.settings = settings
        self.online_features = online_features
        self.metrics = Metrics()
        self.rates = Rates(settings.rate_per_second)
        self.queries = Queries(
            settings.pool_size,
            wait_seconds=settings.pool_timeout_seconds,
            timeout_seconds=settings.request_timeout_seconds,
        )
        self.keys = KeyRing(
            lambda: self.queries.run(usecases.api_keys, project),
            max_age_seconds=settings.keys_seconds,
            development=development,
        )
        self.warm = WarmModels(lambda version: usecases.load_scorer(project, version))
        self.champion = Champion(
            lambda: usecases.serving_version(project),
            self.warm.take,
            every_seconds=settings.reload_seconds,
        )
        self.feed = Feed(project, self.queries, self.metrics)
        self.presence = Presence(project, self.queries, self.champion, self.warm)
        self.rounds = Rounds()
        self.rounds.add("presence", self.presence.round, every_seconds=settings.reload_seconds)
        if online_features is None and project.settings.events is not None:
            self.online_features = StateFeatures(
                self.queries, project, lambda: self.champion.scorer.feature_hash
            )
        self.contract: dict[str, Any] = {}
        """The OpenAPI document, set by the application."""
        self.keys_in_flight: set[tuple[str, str]] = set()
        self.in_flight = 0
        self.draining = False
        self.drained = asyncio.Event()
        """Set when what stays open is to come to its end."""
        self.connections = 0
        """WebSockets and feeds that are open."""
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reach the database and load the model."""
        self.writer = await usecases.open_writer(self.project, self.settings)
        await self.champion.start()
        self._tidying = asyncio.create_task(self._tidy(), name="churnkit-tidy")
        self.rounds.start()

    def begin_drain(self) -> None:
        """Take nothing new; what was begun is finished."""
        self.draining = True
        self.drained.set()

    async def close(self) -> None:
        """Write what waits, then let go of everything."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        await self.rounds.close()
        await self.champion.close()
        await self.writer.close()
        await self.presence.close()
        self.queries.close()

    def watch(self, method: str, route: str) -> Watch:
        """Counts and logs the answers of one route."""
        seconds = self.metrics.request_seconds.labels(method, route)
        counters: dict[int, Counter] = {}
        log_all = self.settings.access_log == "all"
        log_errors = self.settings.access_log != "off"

        def seen(request: web.Request, status: int, took: float, request_id: str) -> None:
            counter = counters.get(status)
            if counter is None:
                counter = self.metrics.requests.labels(method, route, str(status))
                counters[status] = counter
            counter.inc()
            seconds.observe(took)
            if log_all or (log_errors and (status >= 400 or took > _SLOW_SECONDS)):
                # The route's template, never the path: it could name a customer.
                access.info(
                    "answered",
                    extra={
                        "request_id": request_id,
                        "method": method,
                        "route": route,
                        "status": status,
                        "seconds": round(took, 6),
                    },
                )

        return seen

    def count(self, done: PredictionColumns) -> None:
        """Count committed predictions."""
        metrics, version = self.metrics, done.model_version
        metrics.predicted(version, done.variant, done.risk_bands)
        metrics.probability.labels(version).observe_many(done.probabilities)
        unknown = sum(names is not None for names in done.unknown_categories)
        if unknown:
            metrics.unknown_categories.labels(version).inc(unknown)

    def measure(self) -> None:
        """Bring the gauges up to date; called before a scrape."""
        metrics, figures = self.metrics, self.writer.figures
        metrics.in_flight.set(self.in_flight)
        metrics.pending_rows.set(self.writer.pending_rows)
        metrics.ledger_up.set(1.0 if self.writer.available else 0.0)
        metrics.queries_busy.set(self.queries.busy)
        if self.champion.version is not None:
            metrics.model.labels(self.champion.version).set(1.0)
        for seconds, size in zip(figures.seconds, figures.sizes, strict=True):
            metrics.commit_seconds.observe(seconds)
            metrics.commit_requests.observe(size)
        figures.seconds.clear()
        figures.sizes.clear()

    async def _tidy(self) -> None:
        """Forget old Idempotency-Keys, and keep the figures of all processes fresh."""
        keep = timedelta(hours=self.settings.idempotency_hours)
        turn = 0
        while True:
            self.measure()
            if turn % 3_600 == 60:
                try:
                    before = datetime.now(UTC) - keep
                    await self.queries.run(usecases.forget_answers, self.project, before)
                    before = datetime.now(UTC) - timedelta(days=self.settings.feed_days)
                    await self.queries.run(forget_happenings, self.project, before)
                except ChurnkitError as error:
                    access.warning("not tidied", extra={"error": error.to_json()})
            turn += 1
            await asyncio.sleep(1.0)
