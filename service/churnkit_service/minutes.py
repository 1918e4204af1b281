"""What this replica answered, by the minute, into the ledger: right for all replicas together.

Nothing is counted on the path of a request: what Prometheus' counters grew by since the last
look is of the minute in which it is looked at.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from datetime import UTC, datetime

from churnkit.project import Project
from churnkit.usecases.operating.figures import Requests, Route
from churnkit.usecases.operating.service_minutes import tidy_figures, write_minutes
from churnkit_service.metrics import Metrics
from churnkit_service.queries import Queries

SCORING = frozenset({"/v1/predictions"})
"""Addresses whose figures are told apart by the model version that served."""
_TIDY_SECONDS = 1_800.0
_MOST_WAITING = 5_000
Sample = dict[tuple[str, str], tuple[dict[str, float], float, dict[str, float]]]


class Minutes:
    """Writes what was counted.

    Parameters
    ----------
    replica : this one's name
    version : says which model version serves
    """

    def __init__(
        self,
        project: Project,
        queries: Queries,
        metrics: Metrics,
        *,
        replica: str,
        version: Callable[[], str | None],
    ) -> None:
        self._project = project
        self._queries = queries
        self._metrics = metrics
        self._replica = replica
        self._version = version
        self._before = sample(metrics)
        self._counted: dict[tuple[datetime, Route], Requests] = {}
        self._tidied = time.monotonic()
        self._writing: asyncio.Future[None] | None = None

    async def round(self) -> None:
        """Write what was counted since the last time; once it is written it is forgotten."""
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        self._count(minute)
        # A round that was broken off still writes, and must not write after the next one.
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        counted = copy.deepcopy(self._counted)
        if counted:
            self._writing = asyncio.ensure_future(
                self._queries.run(write_minutes, self._project, self._replica, counted)
            )
            await asyncio.shield(self._writing)
            # The present minute goes on: its row is written again with what comes.
            self._counted = {key: n for key, n in self._counted.items() if key[0] == minute}
        if time.monotonic() - self._tidied > _TIDY_SECONDS:
            self._tidied = time.monotonic()
            await self._queries.run(tidy_figures, self._project, datetime.now(UTC))

    def _count(self, minute: datetime) -> None:
        now = sample(self._metrics)
        for (method, route), (statuses, seconds, buckets) in now.items():
            old = self._before.get((method, route), ({}, 0.0, {}))
            grown = Requests(
                _grown(statuses, old[0]), max(0.0, seconds - old[1]), _grown(buckets, old[2])
            )
            if grown.n:
                version = (self._version() or "") if route in SCORING else ""
                known = self._counted.setdefault((minute, (method, route, version)), Requests())
                known += grown
        self._before = now
        while len(self._counted) > _MOST_WAITING:  # the database is away for long
            del self._counted[next(iter(self._counted))]


def _grown(now: dict[str, float], before: dict[str, float]) -> dict[str, int]:
    grown = {name: round(value - before.get(name, 0.0)) for name, value in now.items()}
    return {name: n for name, n in grown.items() if n > 0}


def sample(metrics: Metrics) -> Sample:
    """By method and route: requests by hundreds of status, their seconds, and by bucket."""
    found: Sample = {}
    for metric in metrics.requests.collect():
        for one in metric.samples:
            if one.name.endswith("_total"):
                entry = found.setdefault((one.labels["method"], one.labels["route"]), ({}, 0.0, {}))
                hundreds = f"{one.labels['status'][0]}xx"
                entry[0][hundreds] = entry[0].get(hundreds, 0.0) + one.value
    for metric in metrics.request_seconds.collect():
        before = 0.0
        for one in metric.samples:
            key = (one.labels["method"], one.labels["route"])
            statuses, _, buckets = found.setdefault(key, ({}, 0.0, {}))
            if one.name.endswith("_bucket"):
                before = 0.0 if not buckets else before
                buckets[one.labels["le"]] = one.value - before  # they are cumulated
                before = one.value
            elif one.name.endswith("_sum"):
                found[key] = (statuses, one.value, buckets)
    return found
