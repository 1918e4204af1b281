"""Train: a budget, a reason, a job; its curves while it runs; the model that came out."""

from __future__ import annotations

from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action, Argument
from churnkit_desktop.backend.facts import ModelDetail
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.screens.train.state import SearchNews
from churnkit_desktop.work.bench import Job

DEFAULT_BUDGET = 60


class TrainPresenter(Presenter):
    """Searches for a model in a child process."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "train")
        self.made: ModelDetail | None = None
        self.budget = int(self.draft("budget", DEFAULT_BUDGET))
        self.why = str(self.draft("why", ""))
        running = self.job
        if running is not None:
            self.follow(running)

    @property
    def job(self) -> Job | None:
        """The search, running or done."""
        return self.desk.bench.job("train")

    @property
    def news(self) -> SearchNews:
        """What the search has told."""
        job = self.job
        return SearchNews.of(job.steps if job else ())

    @property
    def interrupted(self) -> Action | None:
        """A search that a crash of the console has ended."""
        return next((a for a in self.desk.bench.interrupted if a.verb == "train"), None)

    def set_budget(self, seconds: int) -> None:
        """How long to search."""
        self.budget = seconds
        self.keep("budget", seconds)

    def set_why(self, text: str) -> None:
        """A sentence for the journal."""
        self.why = text
        self.keep("why", text)

    def begin(self) -> None:
        """Search."""
        arguments: dict[str, Argument] = {"budget_seconds": float(self.budget)}
        if self.why.strip():
            arguments["why"] = self.why.strip()
        self.made = None
        if self.interrupted is not None:
            self.desk.bench.dismiss(self.interrupted)
        self.start(Action("train", arguments, tr("Training models")))

    def cancel(self) -> None:
        """Stop; no model is admitted."""
        self.desk.bench.cancel("train")

    def job_ended(self, job: Job) -> None:
        """Show the model that was made."""
        if job.state == "finished":
            version = str(job.result["version"])
            self.keep("why", "")
            self.why = ""
            self.read(lambda: self.desk.backend.model(version), self._loaded, "made")

    def load(self) -> None:
        """The latest model, where no search has run in this window."""
        if self.made is None and self.job is None:
            self.read(self._latest, self._loaded_maybe, "latest")

    def _latest(self) -> ModelDetail | None:
        versions = self.desk.backend.models().versions
        try:
            return self.desk.backend.model(versions[-1].version) if versions else None
        except ChurnkitError:
            return None  # the Models screen says what is wrong with it

    def _loaded_maybe(self, detail: ModelDetail | None) -> None:
        self.made = detail

    def _loaded(self, detail: ModelDetail) -> None:
        self.made = detail
