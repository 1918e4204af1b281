"""The silent model of a rollout: it scores what the other one answered, and keeps nobody waiting.

What is answered is offered to a bounded queue after its commit. One thread scores, the writer of
all predictions commits. What finds no room is not shadowed, and counted: evidence needs fewer
pairs sooner than answers need it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from churnkit.domain.identifiers import time_ordered_ids
from churnkit.domain.recording import PredictionColumns
from churnkit.domain.rollouts import RolloutFailure
from churnkit.errors import ChurnkitError
from churnkit.usecases.operating.online import Scorer
from churnkit_service.metrics import Metrics
from churnkit_service.rollouts import Readings

log = logging.getLogger("churnkit.rollouts")
_TOGETHER = 64
"""So many requests are handed to the thread at once."""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """Rows that one model answered, for the other one to score."""

    rollout_id: str
    variant: str
    """Of the silent model."""
    scorer: Scorer
    rows: Sequence[Any]
    answers: Sequence[str]
    """The ids of the predictions that answered."""
    customers: Sequence[str]
    made_at: datetime
    as_of: datetime | None
    request_id: str | None
    looked_up: Sequence[int] = ()
    """Places of rows that were not sent: they are read again for a model of other features."""


class Shadows:
    """Scores silently.

    Parameters
    ----------
    most_rows : so many wait, more are shed
    submit : hands predictions to the writer; the future is done when they are committed
    room : whether the writer has room for rows that nobody waits for
    fail : keeps which requests a model could not score; blocks
    look_up : the rows of a job as its model reads them
    """

    def __init__(
        self,
        *,
        most_rows: int,
        submit: Callable[[Sequence[PredictionColumns]], asyncio.Future[bool]],
        room: Callable[[], bool],
        fail: Callable[[Sequence[RolloutFailure]], None],
        look_up: Callable[[Shadowed], Awaitable[Sequence[Any]]],
        metrics: Metrics,
        readings: Readings,
    ) -> None:
        self._most = most_rows
        self._submit, self._room, self._fail = submit, room, fail
        self._look_up = look_up
        self._metrics, self._readings = metrics, readings
        self._queue: deque[Shadowed] = deque()
        self._failures: list[RolloutFailure] = []
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="churnkit-shadow")
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.waiting_rows = 0

    def start(self) -> None:
        """Begin to score."""
        self._task = asyncio.create_task(self._work(), name="churnkit-shadows")

    async def close(self) -> None:
        """Score what waits, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(wait=True)

    def failed(self, failures: Sequence[RolloutFailure]) -> None:
        """What a challenger could not answer is kept beside the answer; never waits."""
        self._failures.extend(failures)
        self._wake.set()

    def offer(self, job: Shadowed) -> bool:
        """Take it, or say at once that there is no room; never waits."""
        if self._closing or self.waiting_rows + len(job.rows) > self._most:
            self._shed(job)
            return False
        self._queue.append(job)
        self.waiting_rows += len(job.rows)
        self._wake.set()
        return True

    async def _work(self) -> None:
        while True:
            if self._failures:
                failures, self._failures = self._failures, []
                await self._quietly(self._keep_failures(failures))
            if not self._queue:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            jobs = [self._queue.popleft() for _ in range(min(_TOGETHER, len(self._queue)))]
            self.waiting_rows -= sum(len(job.rows) for job in jobs)
            if not self._room():
                # Requests that somebody waits for need the writer.
                for job in jobs:
                    self._shed(job)
                await asyncio.sleep(0.01)
                continue
            if not await self._quietly(self._shadow(jobs)):
                for job in jobs:
                    self._shed(job)

    async def _quietly(self, work: Awaitable[None]) -> bool:
        """Whether it was done; where the database is away, these pairs are lost, and no more."""
        try:
            await work
        except ChurnkitError as error:
            log.info("shadows not kept", extra={"error": error.to_json()})
        except Exception:  # a mistake of ours must not end the shadows, nor touch an answer
            log.exception("shadows not kept")
        else:
            return True
        return False

    async def _shadow(self, jobs: Sequence[Shadowed]) -> None:
        jobs = [
            replace(job, rows=await self._look_up(job)) if job.looked_up else job for job in jobs
        ]
        loop = asyncio.get_running_loop()
        await self._keep(jobs, await loop.run_in_executor(self._thread, _score_all, jobs))

    async def _keep(self, jobs: Sequence[Shadowed], scored: Sequence[_Scored]) -> None:
        parts: list[PredictionColumns] = []
        failures: list[RolloutFailure] = []
        for job, found in zip(jobs, scored, strict=True):
            if found.columns is not None:
                parts.append(found.columns)
            failures += found.failures
            if found.failures:
                self._readings.failed(job.rollout_id, job.variant)
            else:
                self._readings.answered(job.rollout_id, job.variant, found.seconds)
        if parts:
            await self._submit(parts)
            n = sum(map(len, parts))
            self._metrics.shadows.labels("scored").inc(n)
        if failures:
            await self._keep_failures(failures)

    async def _keep_failures(self, failures: Sequence[RolloutFailure]) -> None:
        """Keep what a model could not score."""
        await asyncio.to_thread(self._fail, failures)
        self._metrics.shadows.labels("failed").inc(len(failures))

    def _shed(self, job: Shadowed) -> None:
        self._metrics.shadows.labels("shed").inc(len(job.rows))
        self._readings.shed(job.rollout_id, job.variant)


@dataclass(frozen=True, slots=True)
class _Scored:
    columns: PredictionColumns | None
    failures: Sequence[RolloutFailure]
    seconds: float


def _score_all(jobs: Sequence[Shadowed]) -> list[_Scored]:
    found = []
    for job in jobs:
        found.append(_score(job))
        time.sleep(0)  # the event loop waits for the interpreter's lock: let it have it
    return found


def _score(job: Shadowed) -> _Scored:
    start = time.perf_counter()
    try:
        scores = job.scorer.score(job.rows)
    except Exception as error:  # noqa: BLE001 - a model may fail in any way: that is evidence
        why = type(error).__name__
        log.warning("a silent model failed", extra={"kind": why})
        return _Scored(None, _failures(job, range(len(job.rows)), why), 0.0)
    seconds = time.perf_counter() - start
    good = [i for i in range(len(job.rows)) if i not in scores.faults]
    if not good:
        return _Scored(None, _failures(job, scores.faults, "field_fault"), seconds)
    unknown: list[str | None] = [None] * len(good)
    for i, names in scores.unknown.items():
        unknown[i] = orjson.dumps(names).decode()
    columns = PredictionColumns(
        prediction_ids=time_ordered_ids(len(good), int(job.made_at.timestamp() * 1000)),
        customer_ids=[job.customers[i] for i in good],
        probabilities=scores.probabilities,
        risk_bands=scores.risk_bands,
        reasons=["[]"] * len(good),
        unknown_categories=unknown,
        model_version=job.scorer.version,
        variant=job.variant,
        made_at=job.made_at,
        as_of=job.as_of,
        request_id=job.request_id,
        rollout_id=job.rollout_id,
        shadow_of=[job.answers[i] for i in good],
    )
    return _Scored(columns, _failures(job, scores.faults, "field_fault"), seconds)


def _failures(job: Shadowed, places: Any, why: str) -> list[RolloutFailure]:
    """Rows of a job that its model could not score."""
    return [
        RolloutFailure(
            prediction_id=job.answers[i],
            rollout_id=job.rollout_id,
            variant=job.variant,
            at=job.made_at,
            why=why[:64],
        )
        for i in places
    ]
