"""The workbench: one long action at a time per kind, in a child process, watched and stoppable."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment

from churnkit.domain.progress import Step
from churnkit.errors import Cancelled, ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.notice import Notice
from churnkit_desktop.session.memory import PlaceMemory
from churnkit_desktop.session.script import Script

_RUNNING = "running"
_LOG_CHARS = 20_000


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


class Workbench(QObject):
    """Runs actions in child processes.

    Parameters
    ----------
    memory : remembers what runs, so that a killed console can say what was interrupted
    script : gets the actions that succeeded
    """

    def __init__(self, place: str, memory: PlaceMemory, script: Script) -> None:
        super().__init__()
        self.place = place
        self.changed = Notice()
        self.interrupted: list[Action] = [
            Action.from_json(document) for document in memory.get(_RUNNING, [])
        ]
        """What ran when the console was killed; nothing of it is half-written."""
        self._memory = memory
        self._script = script
        self._jobs: dict[str, Job] = {}
        self._processes: dict[str, QProcess] = {}
        self._logs: dict[str, str] = {}
        memory.drop(_RUNNING)

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
        process = QProcess(self)
        self._processes[action.verb] = process
        process.setProgram(sys.executable)
        frozen = getattr(sys, "frozen", False)
        process.setArguments(["--child"] if frozen else ["-m", "churnkit_desktop.work.child"])
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUTF8", "1")
        environment.insert("MPLBACKEND", "Agg")
        process.setProcessEnvironment(environment)
        process.readyReadStandardOutput.connect(lambda: self._read(job, process))
        process.readyReadStandardError.connect(lambda: self._note(job, process))
        process.finished.connect(lambda code, _status: self._ended(job, process, code))
        process.errorOccurred.connect(lambda _error: self._refused(job, process))
        process.start()
        order = {"place": self.place, "action": action.to_json()}
        process.write((json.dumps(order) + "\n").encode())
        self._keep_running()
        self.changed()
        return job

    def cancel(self, verb: str) -> None:
        """Stop a job now; the project is as it was before."""
        job, process = self._jobs.get(verb), self._processes.get(verb)
        if job is None or not job.running:
            return
        self._end(job, "cancelled", Cancelled("stopped; what was there before is unchanged."))
        if process is not None:
            process.kill()

    def dismiss(self, action: Action) -> None:
        """Say no more that this was interrupted."""
        self.interrupted = [other for other in self.interrupted if other is not action]
        self.changed()

    def close(self) -> None:
        """Stop everything; waits until the processes are gone."""
        for process in self._processes.values():
            process.blockSignals(True)
            if process.state() != QProcess.ProcessState.NotRunning:
                process.kill()
                process.waitForFinished(5_000)
        self._memory.drop(_RUNNING)

    def _read(self, job: Job, process: QProcess) -> None:
        while process.canReadLine():
            line = bytes(process.readLine().data()).decode()
            if not job.running:
                continue
            said = json.loads(line)
            if "step" in said:
                job.step = Step(**said["step"])
                job.steps.append(job.step)
                job.changed()
            elif "result" in said:
                job.result = said["result"]
            elif "error" in said:
                told = said["error"]
                job.error = WorkFailed(
                    told["what"], fix=told.get("fix", ""), **told.get("where", {})
                )

    def _note(self, job: Job, process: QProcess) -> None:
        text = bytes(process.readAllStandardError().data()).decode(errors="replace")
        self._logs[job.action.verb] = (self._logs.get(job.action.verb, "") + text)[-_LOG_CHARS:]

    def _ended(self, job: Job, process: QProcess, code: int) -> None:
        self._read(job, process)
        process.deleteLater()
        if self._processes.get(job.action.verb) is process:
            del self._processes[job.action.verb]
        if not job.running:
            return
        if code == 0 and job.error is None:
            self._script.record(job.action)
            self._end(job, "finished", None)
            return
        last = self._logs.get(job.action.verb, "").strip().splitlines()[-1:]
        self._end(
            job,
            "failed",
            job.error
            or WorkFailed(
                f"the process ended with {code}" + (f": {last[0]}" if last else "") + ".",
                fix="Nothing is half-written. Try again; is there enough memory?",
            ),
        )

    def _refused(self, job: Job, process: QProcess) -> None:
        if process.error() == QProcess.ProcessError.FailedToStart:
            self._end(
                job, "failed", WorkFailed(f"cannot start a process: {process.errorString()}.")
            )

    def _end(self, job: Job, state: str, error: ChurnkitError | None) -> None:
        job.state, job.error = state, error
        self._keep_running()
        job.changed()
        self.changed()

    def _keep_running(self) -> None:
        self._memory.put(_RUNNING, [job.action.to_json() for job in self.running()])
