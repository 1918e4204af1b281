"""Long work that a service does: jobs are asked for, watched, and cancelled over the line.

They go on when the console is closed; the next one watches them from where they are.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from churnkit.client.calls import batches, customers, learning
from churnkit.client.calls.jobs import BATCHES, DATASETS, REPORTS, TRAININGS, Resource
from churnkit.client.messages.jobs import Job as ServiceJob
from churnkit.client.messages.trainings import Training
from churnkit.domain.progress import Step
from churnkit.errors import Cancelled, ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.language import tr
from churnkit_desktop.notice import Notice
from churnkit_desktop.session.memory import PlaceMemory
from churnkit_desktop.session.script import Script
from churnkit_desktop.work.bench import Job, WorkFailed

_JOBS = "service_jobs"
_REASONS = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.5
_COUNTED_SECONDS = 20.0
_RESOURCES: dict[str, Resource[Any, Any]] = {
    "train": TRAININGS,
    "import_data": DATASETS,
    "score": BATCHES,
    "write_report": REPORTS,
}


class ServiceBench(QObject):
    """The same as a workbench, for a service.

    Parameters
    ----------
    line : to the service
    memory : keeps which jobs are watched
    script : gets the actions that succeeded
    """

    _came = Signal(object)

    def __init__(self, line: Line, memory: PlaceMemory, script: Script) -> None:
        super().__init__()
        self.changed = Notice()
        self.interrupted: list[Action] = []
        """Nothing is interrupted: the service goes on without the console."""
        self._line, self._memory, self._script = line, memory, script
        self._jobs: dict[str, Job] = {}
        self._ids: dict[str, str] = {}
        self._futures: dict[str, Future[None]] = {}
        self._closed = False
        self._came.connect(self._take)
        for kept in memory.get(_JOBS, []):
            action = Action.from_json(kept["action"])
            self._ids[action.verb] = str(kept["id"])
            self._follow(action)

    def job(self, verb: str) -> Job | None:
        """The latest job of a verb, running or done."""
        return self._jobs.get(verb)

    def running(self) -> tuple[Job, ...]:
        """All jobs under way."""
        return tuple(job for job in self._jobs.values() if job.running)

    def start(self, action: Action) -> Job:
        """Ask for an action; one that is under way with the same verb goes on instead."""
        current = self._jobs.get(action.verb)
        if current is not None and current.running:
            return current
        self._ids.pop(action.verb, None)
        return self._follow(action)

    def cancel(self, verb: str) -> None:
        """Stop a job now; what it has not done is not done."""
        job = self._jobs.get(verb)
        if job is None or not job.running:
            return
        name = self._ids.get(verb)
        self._end(job, "cancelled", Cancelled(tr("stopped; what was there before is unchanged.")))
        self._futures[verb].cancel()
        if name is not None:
            self._line.submit(self._line.send(_RESOURCES[verb].cancel(name), keep=True))

    def dismiss(self, action: Action) -> None:
        """Nothing is ever interrupted."""

    def close(self) -> None:
        """Watch no more; the service goes on."""
        self._closed = True
        for future in self._futures.values():
            future.cancel()

    def _follow(self, action: Action) -> Job:
        job = self._jobs[action.verb] = Job(action)
        if action.verb not in _RESOURCES:
            self._end(
                job,
                "failed",
                WorkFailed(tr("the service cannot do this ({verb}).").format(verb=action.verb)),
            )
            return job
        self._futures[action.verb] = self._line.submit(self._work(job))
        self.changed()
        return job

    # --- on the line's loop ------------------------------------------------------------

    async def _work(self, job: Job) -> None:
        verb = job.action.verb
        try:
            name = self._ids.get(verb)
            if name is None:
                told = await self._submit(job.action)
                self._say(job, id=told.id)
            else:
                told = await self._line.send(_RESOURCES[verb].show(name), keep=True)
            pause, n_told = _FIRST_PAUSE, 0
            while not told.ended:
                for step in steps_of(told, n_told):
                    self._say(job, step=step)
                n_told = len(getattr(told, "trials", ()))
                await asyncio.sleep(pause)
                pause = min(pause * 1.3, _LONGEST_PAUSE)
                told = await self._line.send(_RESOURCES[verb].show(told.id), keep=True)
            if verb == "score" and told.state == "finished":
                await self._counted(told)
            where = {}
            if verb == "write_report" and told.state == "finished":
                path = self._memory.folder / "reports" / f"report-{told.id[:8]}.html"
                path.parent.mkdir(parents=True, exist_ok=True)
                where["path"] = str(await self._line.fetch(REPORTS.file(told.id, "/content"), path))
            self._say(job, ended=told, where=where)
        except ChurnkitError as error:
            self._say(job, error=error)

    async def _submit(self, action: Action) -> ServiceJob:
        given = dict(action.arguments)
        if action.verb == "import_data":
            given["file"] = str(given.pop("data"))
            given.setdefault("name", Path(str(given["file"])).name)
            return await self._line.send(learning.upload_dataset(**given), keep=True)  # type: ignore[arg-type]
        if action.verb == "score":
            upload = batches.submit(str(given["data"]), reasons=_REASONS)
            return await self._line.send(upload, keep=True)
        if action.verb == "write_report":
            version = given.get("version")
            asked = learning.report(None if version is None else str(version))
            return await self._line.send(asked, keep=True)
        page = await self._line.send(
            DATASETS.listed(state="finished", cursor=None, limit=1), keep=True
        )
        if not page.datasets:
            raise WorkFailed(
                tr("nothing was uploaded to learn from."),
                fix=tr("Upload a file on the screen “Data”."),
            )
        given.setdefault("dataset_id", page.datasets[0].id)
        return await self._line.send(learning.train(**given), keep=True)  # type: ignore[arg-type]

    async def _counted(self, told: ServiceJob) -> None:
        """Wait until the latest scores hold what was scored."""
        async with asyncio.timeout(_COUNTED_SECONDS):
            while True:
                page = await self._line.send(customers.customers(limit=1), keep=True)
                done = told.finished_at
                if done is None or (page.refreshed_at is not None and page.refreshed_at >= done):
                    return
                await asyncio.sleep(0.5)

    def _say(self, job: Job, **said: Any) -> None:
        if not self._closed:
            self._came.emit((job, said))

    # --- on the event loop of Qt -------------------------------------------------------

    def _take(self, message: tuple[Job, dict[str, Any]]) -> None:
        job, said = message
        if self._closed:
            return
        if "id" in said:
            self._ids[job.action.verb] = said["id"]
            if not job.running:  # it was cancelled before the service gave it a name
                asked = _RESOURCES[job.action.verb].cancel(said["id"])
                self._line.submit(self._line.send(asked, keep=True))
            self._keep()
        elif not job.running:
            return
        elif "step" in said:
            if not job.steps or job.steps[-1] != said["step"]:
                job.step = said["step"]
                job.steps.append(job.step)
                job.changed()
        elif "error" in said:
            self._end(job, "failed", said["error"])
        else:
            self._ended(job, said["ended"], said["where"])

    def _ended(self, job: Job, told: ServiceJob, where: dict[str, str]) -> None:
        if told.state == "finished":
            document = told.model_dump(mode="json")
            job.result = {**document, **(document.get("result") or {}), **where}
            self._script.record(job.action)
            self._end(job, "finished", None)
        elif told.state == "cancelled":
            self._end(job, "cancelled", Cancelled(tr("it was stopped; nothing was changed.")))
        else:
            self._end(job, "failed", failure(told))

    def _end(self, job: Job, state: str, error: ChurnkitError | None) -> None:
        job.state, job.error = state, error
        self._keep()
        job.changed()
        self.changed()

    def _keep(self) -> None:
        self._memory.put(
            _JOBS,
            [
                {"action": job.action.to_json(), "id": self._ids[job.action.verb]}
                for job in self.running()
                if job.action.verb in self._ids
            ],
        )


def steps_of(told: ServiceJob, n_told: int) -> list[Step]:
    """What is new of a job: one report for each trial after the first ``n_told``, and the latest.

    The trials' figures are those that a search in a child process reports.
    """
    stage = told.stage or told.state
    trials = told.trials[n_told:] if isinstance(told, Training) else ()
    news = [Step(stage, told.progress, told.detail, one.model_dump()) for one in trials]
    return news or [Step(stage, told.progress, told.detail)]


def failure(told: ServiceJob) -> WorkFailed:
    """Why a job of the service failed, for a person."""
    problem = told.error
    if problem is None:
        return WorkFailed(tr("the service ended the job without a reason."))
    where: dict[str, Any] = {"row": problem.row, "column": problem.column}
    choices = (
        tr(" It may be: {choices}.").format(choices=", ".join(problem.choices))
        if problem.choices
        else ""
    )
    return WorkFailed(
        problem.detail or problem.title,
        fix=problem.fix + choices,
        **{name: value for name, value in where.items() if value is not None},
    )
