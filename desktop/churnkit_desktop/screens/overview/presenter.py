"""Overview: what is to be known first, and the report for management."""

from __future__ import annotations

from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import Overview
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.work.bench import Job


class OverviewPresenter(Presenter):
    """Who is at risk, what changed, what needs a decision."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "overview")
        self.facts: Overview | None = None

    def load(self) -> None:
        """Read it."""
        self.read(self.desk.backend.overview, self._loaded)

    @property
    def job(self) -> Job | None:
        """The writing of the report."""
        return self.desk.bench.job("write_report")

    @property
    def report_files(self) -> tuple[str, ...]:
        """The report that was written last, as HTML and as PDF where there is one."""
        job = self.job
        if job is None or job.state != "finished":
            return ()
        return tuple(str(job.result[key]) for key in ("path", "pdf") if job.result.get(key))

    def write_report(self) -> None:
        """One click: question, data, quality, who, why, money, risks, with their charts."""
        self.start(Action("write_report", {"pdf": True}, tr("Writing the report")))

    def cancel(self) -> None:
        """Write no report."""
        self.desk.bench.cancel("write_report")

    def _loaded(self, facts: Overview) -> None:
        self.facts = facts
