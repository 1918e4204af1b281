"""Takes jobs and lets processes work on them; looks after these, and after what they count."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from churnkit.domain.jobs import JOB_KINDS, Job
from churnkit.errors import ChurnkitError, ClaimLost
from churnkit.project import Project
from churnkit.settings.service import ServiceTable
from churnkit.usecases.happenings import announce
from churnkit.usecases.jobs import verbs as usecases
from churnkit_service.job_child import JobChild
from churnkit_service.metrics import Metrics
from churnkit_service.queries import Queries

log = logging.getLogger("churnkit.jobs")
_LOOK_SECONDS = 1.0
_LEAVE_SECONDS = 10.0
"""So long a process has to leave its job; it ends itself sooner."""
_HOLD_SECONDS = 2.0
_IDLE_SECONDS = 30.0
"""So long a process waits for another job: it takes a second or two to start one."""


class Jobs:
    """The jobs of one service process; belongs to its event loop.

    Parameters
    ----------
    project : on the service's database
    settings : the table ``service`` of churnkit.toml
    """

    def __init__(
        self, project: Project, settings: ServiceTable, queries: Queries, metrics: Metrics
    ) -> None:
        self._project = project
        self._settings = settings
        self._queries = queries
        self._metrics = metrics
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(max(1, settings.jobs), thread_name_prefix="churnkit-job")
        self._running: dict[str, JobChild] = {}
        self._idle: list[JobChild] = []
        self._watching: set[asyncio.Task[None]] = set()
        self._trouble = ""
        self._leaving = False

    async def start(self) -> None:
        """Begin to take jobs."""
        self._task = asyncio.create_task(self._follow(), name="churnkit-jobs")

    def look_now(self) -> None:
        """Somebody knows that there is a new job."""
        self._wake.set()

    def leave(self) -> None:
        """Take no more; what runs is left, behind its last commit, to another process."""
        self._leaving = True
        for child in self._running.values():
            child.stop()

    async def close(self) -> None:
        """Leave what runs, and end all processes."""
        self.leave()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._watching:
            await asyncio.wait(self._watching, timeout=_LEAVE_SECONDS)
        for child in (*self._running.values(), *self._idle):
            child.end()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._threads.shutdown(wait=True)

    async def _follow(self) -> None:
        while True:
            self._wake.clear()
            try:
                taken = await self._look()
                self._trouble = ""
            except ChurnkitError as error:
                taken = False
                if error.code != self._trouble:
                    log.warning("no jobs are taken", extra={"error": error.to_json()})
                self._trouble = error.code
            if taken:
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wake.wait()

    async def _look(self) -> bool:
        """Take a job if there is one, and time for it."""
        self._end_idle()
        waiting = await self._queries.run(usecases.count_waiting, self._project)
        for kind in JOB_KINDS:
            for state in ("queued", "running"):
                self._metrics.jobs.labels(kind, state).set(waiting.get((kind, state), 0))
        if self._leaving or not waiting or len(self._running) >= self._settings.jobs:
            return False
        job = await self._queries.run(usecases.claim_job, self._project)
        if job is None:
            return False
        log.info("job taken", extra={"job": job.job_id, "kind": job.kind, "claim": job.claim})
        await self._tell(job, "running")
        while self._idle and not self._idle[-1].reusable:
            self._idle.pop().end()
        child = self._idle.pop() if self._idle else JobChild()
        settings = self._project.settings.model_copy(update={"service": self._settings})
        child.give(self._project, settings, job)
        self._running[job.job_id] = child
        watching = asyncio.create_task(self._watch(job, child), name="churnkit-job")
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        return True

    async def _watch(self, job: Job, child: JobChild) -> None:
        """Wait until a job is over, and see to what its process leaves behind."""
        loop = asyncio.get_running_loop()
        starting = asyncio.create_task(self._hold_while_it_starts(job))

        def heard(news: dict[str, Any]) -> None:
            if "begun" in news:  # from now on it says itself that it lives
                loop.call_soon_threadsafe(starting.cancel)
            else:
                loop.call_soon_threadsafe(self._count, job, news)

        try:
            ending = await loop.run_in_executor(self._threads, child.attend, heard)
        finally:
            starting.cancel()
        del self._running[job.job_id]
        if ending:
            self._metrics.jobs_ended.labels(job.kind, ending).inc()
            log.info("job over", extra={"job": job.job_id, "kind": job.kind, "ending": ending})
            await self._tell(job, ending)
        if ending and child.reusable:
            self._idle.append(child)
        else:
            status = child.end()
        if not ending:
            log.warning("a job's process died", extra={"job": job.job_id, "status": status})
            with suppress(ChurnkitError):  # the database is away: its lease will run out
                await self._queries.run(usecases.release_job, self._project, job)
        self._wake.set()

    async def _hold_while_it_starts(self, job: Job) -> None:
        """On a busy machine a new process may take longer than a lease to begin."""
        while True:
            await asyncio.sleep(min(_HOLD_SECONDS, self._settings.job_lease_seconds / 3))
            try:
                await self._queries.run(usecases.keep_claim, self._project, job)
            except ClaimLost:
                return
            except ChurnkitError:  # the database is away: the lease may run out
                pass

    async def _tell(self, job: Job, state: str) -> None:
        """Consoles hear of it at once; who misses it sees it in the list of jobs."""
        news = {"id": job.job_id, "kind": job.kind, "state": state}
        with suppress(ChurnkitError):
            await self._queries.run(announce, self._project, "job", news, at=datetime.now(UTC))

    def _end_idle(self) -> None:
        """Processes that wait for nothing give their memory back."""
        before = time.monotonic() - _IDLE_SECONDS
        for child in [child for child in self._idle if child.idle_since < before]:
            self._idle.remove(child)
            child.end()

    def _count(self, job: Job, news: dict[str, Any]) -> None:
        rows = self._metrics.job_rows
        rows.labels(job.kind, "scored").inc(news["scored"])
        rows.labels(job.kind, "failed").inc(news["failed"])
        for version, variant, band, n in news["recorded"]:
            self._metrics.predictions.labels(version, variant, band).inc(n)
