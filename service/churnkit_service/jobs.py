"""Takes jobs and lets processes work on them; looks after these, and after what they count."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from churnkit.domain.jobs import JOB_KINDS, Job
from churnkit.errors import ChurnkitError
from churnkit.project import Project
from churnkit.settings import ServiceTable
from churnkit.usecases import jobs as usecases
from churnkit_service.metrics import Metrics
from churnkit_service.queries import Queries

log = logging.getLogger("churnkit.jobs")
_LOOK_SECONDS = 1.0


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
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._watching: set[asyncio.Task[None]] = set()
        self._trouble = ""

    async def start(self) -> None:
        """Begin to take jobs."""
        self._task = asyncio.create_task(self._follow(), name="churnkit-jobs")

    def look_now(self) -> None:
        """Somebody knows that there is a new job."""
        self._wake.set()

    async def close(self) -> None:
        """Take no more; what runs is left, behind its last commit, to another process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for process in list(self._running.values()):
            _say(process, "stop\n")
        if self._watching:
            await asyncio.wait(self._watching, timeout=self._settings.drain_seconds)
        for process in list(self._running.values()):
            process.kill()
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
        waiting = await self._queries.run(usecases.count_waiting, self._project)
        for kind in JOB_KINDS:
            for state in ("queued", "running"):
                self._metrics.jobs.labels(kind, state).set(waiting.get((kind, state), 0))
        if not waiting or len(self._running) >= self._settings.jobs:
            return False
        job = await self._queries.run(usecases.claim_job, self._project)
        if job is None:
            return False
        log.info("job taken", extra={"job": job.job_id, "kind": job.kind, "claim": job.claim})
        self._running[job.job_id] = process = self._begun(job)
        watching = asyncio.create_task(self._watch(job, process), name="churnkit-job")
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        return True

    def _begun(self, job: Job) -> subprocess.Popen[str]:
        """A process that knows what to do."""
        settings = self._project.settings.model_copy(update={"service": self._settings})
        asked = {
            "folder": str(self._project.folder),
            "settings": settings.model_dump(mode="json"),
            "job": job.model_dump(mode="json"),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "churnkit_service.job_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        # On stdin, not as arguments: these name the database with its password.
        _say(process, json.dumps(asked) + "\n")
        return process

    async def _watch(self, job: Job, process: subprocess.Popen[str]) -> None:
        loop = asyncio.get_running_loop()
        ending = await loop.run_in_executor(self._threads, self._attend, job, process, loop)
        del self._running[job.job_id]
        if ending:
            self._metrics.jobs_ended.labels(job.kind, ending).inc()
            log.info("job over", extra={"job": job.job_id, "kind": job.kind, "ending": ending})
        else:
            log.warning(
                "a job's process died", extra={"job": job.job_id, "status": process.returncode}
            )
            with suppress(ChurnkitError):  # the database is away: its lease will run out
                await self._queries.run(usecases.release_job, self._project, job)
        self._wake.set()

    def _attend(
        self, job: Job, process: subprocess.Popen[str], loop: asyncio.AbstractEventLoop
    ) -> str:
        """Hear what a process says until it ends; blocks."""
        ending = ""
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.endswith("\n"):  # killed while it spoke
                    break
                news = json.loads(line)
                if "ended" in news:
                    ending = str(news["ended"])
                else:
                    loop.call_soon_threadsafe(self._count, job, news)
        return ending

    def _count(self, job: Job, news: dict[str, Any]) -> None:
        rows = self._metrics.job_rows
        rows.labels(job.kind, "done").inc(news["scored"])
        rows.labels(job.kind, "failed").inc(news["failed"])
        for band, n in news["bands"].items():
            labels = (news["model_version"], news["variant"], band)
            self._metrics.predictions.labels(*labels).inc(n)


def _say(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    with suppress(OSError, ValueError):  # it is gone already
        process.stdin.write(text)
        process.stdin.flush()
