"""What the handlers of one process share: settings, model, writer, keys, figures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from churnkit.domain.recording import PredictionColumns
from churnkit.errors import ChurnkitError, StorageError
from churnkit.project import Project
from churnkit.settings.service import ServiceTable
from churnkit.usecases.happenings import forget_happenings
from churnkit.usecases.jobs.verbs import delete_old_jobs
from churnkit.usecases.operating import online as usecases
from churnkit.usecases.operating import rollout_serving
from churnkit.usecases.suppressing import KnownErasures
from churnkit_service import noting
from churnkit_service.answered import Answered
from churnkit_service.auth import Caller, KeyRing
from churnkit_service.champion import Champion
from churnkit_service.feed import Feed
from churnkit_service.jobs import Jobs
from churnkit_service.metrics import Metrics
from churnkit_service.minutes import Minutes
from churnkit_service.noting import Noting
from churnkit_service.online import OnlineFeatures, StateFeatures
from churnkit_service.presence import Presence
from churnkit_service.queries import Queries
from churnkit_service.rates import Rates
from churnkit_service.refreshing import Refreshing
from churnkit_service.retraining import Retraining
from churnkit_service.rollouts import RunningRollout
from churnkit_service.rounds import Rounds
from churnkit_service.shadows import Shadowed, Shadows
from churnkit_service.standing import WatchingWhole
from churnkit_service.tallies import Tallies
from churnkit_service.warm import WarmModels

SERVICE: web.AppKey[Service] = web.AppKey("service")
ANYBODY = Caller("", frozenset())
access = logging.getLogger("churnkit.access")
_SLOW_SECONDS = 1.0
_PATIENCE_SECONDS = 5.0
_WHOLE_ROUNDS = 5
"""The whole is looked at once in so many refreshes: drift takes a while to sum up."""
Watch = Callable[[int, float, str], None]


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
        self.tallies = Tallies(self.metrics)
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
            lambda version: self.rollouts.ready(version) or self.warm.take(version),
            every_seconds=settings.reload_seconds,
        )
        self.feed = Feed(project, self.queries, self.metrics)
        self.presence = Presence(project, self.queries, self.champion, self.warm)
        self.rounds = Rounds()
        self.refreshing = Refreshing(project, every_seconds=settings.refresh_seconds)
        self.rounds.add("refresh", self.refreshing.round, every_seconds=settings.refresh_seconds)
        self.minutes = Minutes(
            project,
            self.queries,
            self.metrics,
            replica=self.presence.replica,
            version=lambda: self.champion.version,
        )
        self.rounds.add("minutes", self.minutes.round, every_seconds=settings.refresh_seconds)
        whole = WatchingWhole(project, self.queries, self.metrics)
        every = _WHOLE_ROUNDS * settings.refresh_seconds
        self.rounds.add("standing", whole.round, every_seconds=every)
        self.noting = Noting(project, rows_per_second=settings.drift_rows)
        self.rounds.add("noting", self.noting.round, every_seconds=noting.EVERY_SECONDS)
        self.rounds.add("presence", self.presence.round, every_seconds=settings.reload_seconds)
        self.erased = KnownErasures()
        self.rounds.add("erasures", self._read_erasures, every_seconds=settings.reload_seconds)
        retraining = Retraining(project)
        if retraining.every_seconds:
            self.rounds.add("retraining", retraining.round, every_seconds=retraining.every_seconds)
        rollout = project.settings.rollout
        self.rollouts = RunningRollout(
            mark=lambda: (rollout_serving.arms_mark(project), self.champion.version),
            load=lambda before: rollout_serving.load_arms(project, before),
            look=lambda: rollout_serving.look(project, every_seconds=rollout.look_seconds),
            keep=lambda windows: rollout_serving.record_windows(project, windows),
            every_seconds=settings.reload_seconds,
            look_seconds=rollout.look_seconds,
            changed=self.champion.look_now,
        )
        self.shadows = Shadows(
            most_rows=rollout.shadow_rows,
            submit=lambda parts: self.writer.submit(parts),
            room=lambda: self.writer.pending_rows < settings.max_pending_rows / 2,
            fail=lambda failures: rollout_serving.record_failures(project, failures),
            look_up=self._look_up,
            metrics=self.metrics,
            readings=self.rollouts.readings,
        )
        if online_features is None and project.settings.events is not None:
            self.online_features = StateFeatures(
                self.queries, project, lambda: self.champion.scorer.feature_hash
            )
        self.challenger_features: OnlineFeatures | None = None
        """Reads the features of a rollout's challenger, where its FeatureSet is another one."""
        if project.settings.events is not None:
            self.challenger_features = StateFeatures(
                self.queries, project, lambda: self.rollouts.challenger.feature_hash
            )
        self._shares: tuple[str, str] | None = None
        self._shown_version: str | None = None
        self.jobs = Jobs(project, settings, self.queries, self.metrics)
        self.contract: dict[str, Any] = {}
        """The OpenAPI document, set by the application."""
        self.keys_in_flight: set[tuple[str, str]] = set()
        self.in_flight = 0
        self.draining = False
        self.drained = asyncio.Event()
        """Set when what stays open is to come to its end."""
        self.at_the_door: Callable[[], int] = lambda: 0
        """So many connections asked for nothing but predictions; set by the door."""
        self.connections = 0
        """WebSockets and feeds that are open."""
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reach the database and load the model."""
        self.writer = await usecases.open_writer(self.project, self.settings)
        with suppress(StorageError):  # it is read again until the database answers
            await self._read_erasures()
        await self.champion.start()
        await self.rollouts.start()
        self.shadows.start()
        await self.jobs.start()
        self._tidying = asyncio.create_task(self._tidy(), name="churnkit-tidy")
        self.rounds.start()

    async def _read_erasures(self) -> None:
        await asyncio.to_thread(self.erased.refresh, self.project)

    def begin_drain(self) -> None:
        """Take nothing new; what was begun is finished."""
        self.draining = True
        self.drained.set()

    async def close(self) -> None:
        """Write what waits, then let go of everything."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        await self.jobs.close()
        await self.rounds.close()
        self.tallies.flush()
        await self._write_last_minutes()
        await self.champion.close()
        await self.shadows.close()
        await self.rollouts.close()
        await self.writer.close()
        await self.presence.close()
        await self.refreshing.close()
        self.measure()
        self.queries.close()

    async def _write_last_minutes(self) -> None:
        """What was answered since the last round; without a database it is lost."""
        self.measure()  # what was added up on the way goes into the counters
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self.minutes.round()
        except (ChurnkitError, TimeoutError):
            access.warning("the last figures were not written")

    def watch(self, method: str, route: str) -> Watch:
        """Counts and logs the answers of one route."""
        tally = self.tallies.route(method, route)
        log_all = self.settings.access_log == "all"
        log_errors = self.settings.access_log != "off"

        def seen(status: int, took: float, request_id: str) -> None:
            tally.add(status, took)
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

    def committed(self, answered: Answered) -> None:
        """Count what was committed, and begin what nobody waits for."""
        for part in answered.parts:
            self.count(part)
        for job in answered.shadows:
            self.shadows.offer(job)
        if answered.failures:
            self.shadows.failed(answered.failures)

    async def _look_up(self, job: Shadowed) -> Sequence[Any]:
        """A job's rows, where its model reads other features than the one that answered."""
        answered_by = self.rollouts.challenger.feature_hash
        features = self.online_features
        if job.variant == rollout_serving.CHALLENGER:
            answered_by, features = self.champion.scorer.feature_hash, self.challenger_features
        if features is None or job.scorer.feature_hash == answered_by:
            return job.rows
        rows = list(job.rows)
        names = [job.customers[i] for i in job.looked_up]
        found = await features.features(names, job.as_of or job.made_at)
        for i, row in zip(job.looked_up, found, strict=True):
            rows[i] = row or {}
        return rows

    def count(self, done: PredictionColumns) -> None:
        """Count committed predictions."""
        self.tallies.predicted(done)

    def measure(self) -> None:
        """Bring the figures up to date; called before a scrape."""
        self.tallies.flush()
        metrics, figures = self.metrics, self.writer.figures
        metrics.in_flight.set(self.in_flight)
        metrics.pending_rows.set(self.writer.pending_rows)
        metrics.ledger_up.set(1.0 if self.writer.available else 0.0)
        metrics.queries_busy.set(self.queries.busy)
        if self._shares is not None:
            metrics.rollout_share.labels(*self._shares).set(0.0)
        if self.rollouts.live is not None:
            arms = self.rollouts.live.arms
            self._shares = (arms.rollout_id, arms.challenger)
            metrics.rollout_share.labels(*self._shares).set(arms.share)
        if self._shown_version not in (None, self.champion.version):
            metrics.model.labels(self._shown_version).set(0.0)
        self._shown_version = self.champion.version
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
                    await self.queries.run(delete_old_jobs, self.project)
                except ChurnkitError as error:
                    access.warning("not tidied", extra={"error": error.to_json()})
            turn += 1
            await asyncio.sleep(1.0)
