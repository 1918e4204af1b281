"""How the whole stands, asked of the ledger from time to time, for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime

from churnkit.project import Project
from churnkit.usecases.operating import standing as usecases
from churnkit_service.metrics import Metrics
from churnkit_service.queries import Queries


class WatchingWhole:
    """Brings the figures up to date that all replicas share.

    What was shown once and is no more, such as a rollout that ended, is shown as 0: a figure
    that vanishes would leave an alert without an end.
    """

    def __init__(self, project: Project, queries: Queries, metrics: Metrics) -> None:
        self._project = project
        self._queries = queries
        self._metrics = metrics
        self._rollouts: set[str] = set()
        self._drifts: set[tuple[str, str, str]] = set()

    async def round(self) -> None:
        """Ask, and show."""
        found = await self._queries.run(usecases.standing, self._project, datetime.now(UTC))
        self.show(found)

    def show(self, found: usecases.Standing) -> None:
        """Set the figures."""
        metrics = self._metrics
        if found.refreshed_at is not None:
            metrics.refreshed.set(found.refreshed_at.timestamp())
        self._drifts |= set(found.drift)
        for labels in self._drifts:
            metrics.drift_columns.labels(*labels).set(found.drift.get(labels, 0))
        rollout = found.rollout
        if rollout is not None:
            self._rollouts.add(rollout.rollout_id)
        for name in self._rollouts:
            mine = rollout if rollout is not None and rollout.rollout_id == name else None
            for condition in usecases.CONDITIONS:
                here = mine is not None and mine.condition == condition
                metrics.rollout_condition.labels(name, condition).set(1.0 if here else 0.0)
            self._show_rollout(name, mine)

    def _show_rollout(self, name: str, rollout: usecases.RolloutStanding | None) -> None:
        metrics = self._metrics
        metrics.rollout_mismatch.labels(name).set(1.0 if rollout and rollout.mismatch else 0.0)
        awaits = rollout is not None and rollout.awaits_person
        metrics.rollout_awaits_person.labels(name).set(1.0 if awaits else 0.0)
        if rollout is None:
            return
        metrics.rollout_stage.labels(name).set(rollout.stage)
        metrics.rollout_stage_since.labels(name).set(rollout.stage_since.timestamp())
        metrics.rollout_looked.labels(name).set(rollout.looked_at.timestamp())
        metrics.rollout_pairs.labels(name).set(rollout.pairs)
        metrics.rollout_mismatch_p.labels(name).set(rollout.mismatch_p_value)
