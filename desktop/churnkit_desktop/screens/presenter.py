"""What all presenters share: reading in a thread, drafts, actions, and the telling of changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import Answer
from churnkit_desktop.backend.lost import ConnectionLost
from churnkit_desktop.desk import Desk
from churnkit_desktop.notice import Notice
from churnkit_desktop.work.bench import Job

T = TypeVar("T")


class Presenter:
    """Decides what a screen shows; a view binds to it.

    Parameters
    ----------
    desk : the opened place
    key : of the screen; names its draft and its lane
    """

    def __init__(self, desk: Desk, key: str) -> None:
        self.desk = desk
        self.key = key
        self.changed = Notice()
        self.error: ChurnkitError | None = None
        self.busy = False
        self.stale = True
        """Whether what is shown may be old; an open screen reads at once."""
        self.shown = False
        desk.changed.connect(self._project_changed)

    def enter(self, subject: str = "") -> None:
        """The screen is looked at now."""
        self.shown = True
        if subject:
            self.choose(subject)
        if self.stale:
            self.stale = False
            self.load()

    def leave(self) -> None:
        """It is looked at no more."""
        self.shown = False

    def choose(self, subject: str) -> None:
        """Show this customer, version, …; a screen without subjects does nothing."""

    def load(self) -> None:
        """Read what the screen shows."""

    def undo(self) -> None:
        """Take the last edit back; a screen without edits does nothing."""

    def redo(self) -> None:
        """Do again what was taken back."""

    @property
    def undoable(self) -> str:
        """What undo would take back, in words; empty: nothing."""
        return ""

    @property
    def redoable(self) -> str:
        """What redo would do again, in words; empty: nothing."""
        return ""

    def read(self, work: Callable[[], T], done: Callable[[T], None], lane: str = "") -> None:
        """Read in a thread; errors are shown in place."""
        self.busy = True
        self.changed()

        def arrived(result: T) -> None:
            self.busy, self.error = False, None
            done(result)
            self.changed()

        self.desk.runner.run(f"{self.key} {lane}", work, arrived, self.fail)

    def fail(self, error: ChurnkitError) -> None:
        """Show an error in place; that the connection is lost is shown by the window."""
        self.busy = False
        if isinstance(error, ConnectionLost):
            self.stale = True
        else:
            self.error = error
        self.changed()

    def apply(self, action: Action, done: Callable[[Answer], None] | None = None) -> None:
        """Do something short that changes the project; the script gets its line."""

        def applied(answer: Answer) -> None:
            self.busy, self.error = False, None
            self.desk.script.record(action)
            if done is not None:
                done(answer)
            self.desk.changed()
            self.changed()

        self.busy = True
        self.changed()
        backend = self.desk.backend
        self.desk.runner.run(
            f"{self.key} apply",
            lambda: backend.apply(action),
            applied,
            self.fail,
        )

    def start(self, action: Action) -> Job:
        """Do something long in a child process; the screens read anew when it is done."""
        self.error = None
        job = self.desk.bench.start(action)
        self.follow(job)
        self.changed()
        return job

    def follow(self, job: Job) -> None:
        """Hear of a job's changes."""
        job.changed.connect(lambda: self._job_changed(job))

    def job_ended(self, job: Job) -> None:
        """A job of this screen has ended; override to look at its result."""

    def draft(self, name: str, default: Any) -> Any:
        """What was entered before and is kept."""
        return self.desk.memory.get(f"{self.key}.{name}", default)

    def keep(self, name: str, value: Any) -> None:
        """Keep what was entered; it is on its way to the disk when this returns."""
        self.desk.memory.put(f"{self.key}.{name}", value)

    def _job_changed(self, job: Job) -> None:
        if not job.running:
            if job.state == "failed":
                self.error = job.error
            self.job_ended(job)
            if job.state == "finished":
                self.desk.changed()
        self.changed()

    def _project_changed(self) -> None:
        self.stale = True
        if self.shown:
            self.stale = False
            self.load()
