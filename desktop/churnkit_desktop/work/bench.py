"""The workbench: one long action at a time per kind, in a child process, watched and stoppable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from PySide6.QtCore import QObject, Signal

from churnkit.domain.progress import Step
from churnkit.errors import Cancelled, ChurnkitError
from churnkit_desktop.actions import Action, repeating
from churnkit_desktop.language import tr
from churnkit_desktop.notice import Notice
from churnkit_desktop.session.memory import PlaceMemory
from churnkit_desktop.session.script import Script
from churnkit_desktop.work.child_process import ChildProcess
from churnkit_desktop.work.running_mark import RunningMark


class WorkFailed(ChurnkitError):
    """A child process ended without a result, or told of an error."""


@dataclass
class Job:
    """One long action, as a screen shows it.

    ``state``: running, finished, failed, cancelled. A cancelled job stays cancelled, whatever
    its process still says.
    """

    action: Action
    state: str = "running"
    step: Step = field(default_factory=lambda: Step("starting"))
    steps: list[Step] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    error: ChurnkitError | None = None
    changed: Notice = field(default_factory=Notice)

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self.state == "running"


class Bench(Protocol):
    """Who does long work: child processes on a project folder, or a service."""

    changed: Notice
    interrupted: list[Action]

    def job(self, verb: str) -> Job | None:
        """The latest job of a verb, running or done."""

    def running(self) -> tuple[Job, ...]:
        """All jobs under way."""

    def start(self, action: Action) -> Job:
        """Run an action; one that is under way with the same verb goes on instead."""

    def cancel(self, verb: str) -> None:
        """Stop a job now."""

    def dismiss(self, action: Action) -> None:
        """Say no more that this was interrupted."""

    def close(self) -> None:
        """Let go of everything."""


class Workbench(QObject):
    """Runs actions in child processes.

    Parameters
    ----------
    place : the project folder
    memory : remembers what runs, so that a killed console can say what was interrupted
    script : gets the actions that succeeded
    """

    _came = Signal(object)

    def __init__(self, place: str, memory: PlaceMemory, script: Script) -> None:
        super().__init__()
        self.place = place
        self.changed = Notice()
        self._mark = RunningMark(memory)
        self.interrupted = self._mark.take_interrupted()
        """What ran when a console was killed; nothing of it is half-written."""
        self._script = script
        self._jobs: dict[str, Job] = {}
        self._children: dict[int, ChildProcess] = {}
        self._closed = False
        self._came.connect(self._take)

    def job(self, verb: str) -> Job | None:
        """The latest job of a verb, running or done."""
        return self._jobs.get(verb)

    def running(self) -> tuple[Job, ...]:
        """All jobs under way."""
        return tuple(job for job in self._jobs.values() if job.running)

    def start(self, action: Action) -> Job:
        """Run an action; one that is under way with the same verb goes on instead."""
        current = self._jobs.get(action.verb)
        if current is not None and current.running:
            return current
        job = self._jobs[action.verb] = Job(action)
        order = {"place": self.place, "action": action.to_json()}
        try:
            child = ChildProcess(
                order,
                said=lambda document: self._tell((job, document)),
                ended=lambda code, log: self._tell((job, {"ended": code, "log": log})),
            )
        except OSError as error:
            self._end(
                job,
                "failed",
                WorkFailed(
                    tr("cannot start a process: {strerror}.").format(strerror=error.strerror)
                ),
            )
            return job
        self._children[id(job)] = child
        self._keep_running()
        self.changed()
        return job

    def cancel(self, verb: str) -> None:
        """Stop a job now; the project is as it was before."""
        job = self._jobs.get(verb)
        if job is None or not job.running:
            return
        self._end(job, "cancelled", Cancelled(tr("stopped; what was there before is unchanged.")))
        self._children[id(job)].kill()

    def pid(self, verb: str) -> int | None:
        """The process of a job under way."""
        job = self._jobs.get(verb)
        return self._children[id(job)].pid if job is not None and job.running else None

    def dismiss(self, action: Action) -> None:
        """Say no more that this was interrupted."""
        self.interrupted = [other for other in self.interrupted if other is not action]
        self.changed()

    def close(self) -> None:
        """Stop everything; waits until the processes are gone."""
        self._closed = True
        for child in self._children.values():
            child.kill()
        for child in self._children.values():
            child.join()
        self._children.clear()
        self._mark.drop()

    def _tell(self, message: tuple[Job, dict[str, Any]]) -> None:
        """In a child's thread: hand over to the event loop."""
        if not self._closed:
            self._came.emit(message)

    def _take(self, message: tuple[Job, dict[str, Any]]) -> None:
        job, said = message
        if "ended" in said:
            child = self._children.pop(id(job), None)
            if child is not None:
                child.join()
            self._ended(job, int(said["ended"]), str(said["log"]))
        elif not job.running:
            return
        elif "step" in said:
            job.step = Step(**said["step"])
            job.steps.append(job.step)
            job.changed()
        elif "result" in said:
            job.result = said["result"]
        elif "error" in said:
            told = said["error"]
            job.error = WorkFailed(told["what"], fix=told.get("fix", ""), **told.get("where", {}))

    def _ended(self, job: Job, code: int, log: str) -> None:
        if not job.running:
            return
        if code == 0 and job.error is None:
            self._script.record(repeating(job.action, job.result))
            self._end(job, "finished", None)
            return
        last = log.strip().splitlines()[-1:]
        self._end(
            job,
            "failed",
            job.error
            or WorkFailed(
                tr("the process ended with {code}").format(code=code)
                + (f": {last[0]}" if last else "")
                + ".",
                fix=tr("Nothing is half-written. Try again; is there enough memory?"),
            ),
        )

    def _end(self, job: Job, state: str, error: ChurnkitError | None) -> None:
        job.state, job.error = state, error
        self._keep_running()
        job.changed()
        self.changed()

    def _keep_running(self) -> None:
        self._mark.put([job.action for job in self.running()])
