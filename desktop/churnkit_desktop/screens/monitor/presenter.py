"""Monitor: news as they come, figures read anew every now and then, measuring on demand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from churnkit.client.messages.feed import PREDICTIONS, FeedEvent, FeedPredictions
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.monitor_facts import AlertLine, MonitorFacts, measured
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.notice import Notice
from churnkit_desktop.screens.monitor.state import Alerts, LiveRate, figures
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.work.bench import Job

_READ_SECONDS = 15.0


class MonitorPresenter(Presenter):
    """How models and service are doing."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "monitor")
        self.facts: MonitorFacts | None = None
        self.measured: MonitorFacts | None = None
        """What was measured in this session."""
        self.rate = LiveRate()
        self.told = Alerts()
        self.live_changed = Notice()
        self.figure = str(self.draft("figure", "roc_auc"))
        self._read_at = 0.0
        desk.news.connect(self._news)
        desk.second.connect(self._second)

    @property
    def is_live(self) -> bool:
        """Whether somebody tells what happens."""
        return self.desk.backend.live is not None

    @property
    def deaf(self) -> str:
        """Why nothing is heard although there is a service; empty: it is."""
        live = self.desk.backend.live
        return live.feed_refused if live is not None else ""

    @property
    def job(self) -> Job | None:
        """The measuring."""
        return self.desk.bench.job("monitor")

    def load(self) -> None:
        """Read the figures."""
        self._read_at = time.monotonic()
        self.read(self.desk.backend.monitor, self._loaded)

    def measure(self) -> None:
        """Compare predictions with what came true, and look for drift: takes a while."""
        self.start(Action("monitor", {}, tr("Measuring quality and drift")))

    def cancel(self) -> None:
        """Stop measuring."""
        self.desk.bench.cancel("monitor")

    def show_figure(self, name: str) -> None:
        """Draw another figure along the months."""
        self.figure = name
        self.keep("figure", name)
        self.changed()

    @property
    def alerts(self) -> list[AlertLine]:
        """Those of this session and those that were measured."""
        return self.told.with_known(self.shown_facts.alerts)

    @property
    def shown_facts(self) -> MonitorFacts:
        """What was read, with what was measured since in its place."""
        facts, fresh = self.facts or MonitorFacts(), self.measured
        if fresh is None:
            return facts
        return MonitorFacts(
            minutes=facts.minutes,
            shapes=facts.shapes,
            drift=fresh.drift or facts.drift,
            quality=fresh.quality or facts.quality,
            ahead=fresh.ahead,
            alerts=fresh.alerts,
            why={**facts.why, **_EMPTY},
            can_measure=facts.can_measure,
        )

    def job_ended(self, job: Job) -> None:
        """Show what was measured."""
        if job.state == "finished":
            self.measured = measured(job.result)

    def _loaded(self, facts: MonitorFacts) -> None:
        self.facts = facts
        there = figures(self.shown_facts.quality)
        if there and self.figure not in there:
            self.figure = there[0]

    def _news(self, happened: Sequence[FeedEvent]) -> None:
        for event in happened:
            try:
                if event.kind == PREDICTIONS:
                    self.rate.told(FeedPredictions.model_validate(event.data))
                elif event.kind == "alert":
                    told = event.data
                    self.told.told(
                        datetime.now(UTC),
                        str(told["severity"]),
                        f"{told['subject']}: {told['what']}",
                    )
            except (ValidationError, KeyError):
                continue  # a newer service says more than this console knows

    def _second(self) -> None:
        self.rate.forget(time.time())
        if not self.shown:
            return
        self.live_changed()
        if time.monotonic() - self._read_at > _READ_SECONDS and not self.busy:
            self._read_at = time.monotonic()
            # Quietly: nothing shows that it reads, and the old figures stay until then.
            self.desk.runner.run(
                "monitor figures", self.desk.backend.monitor, self._again, self.fail
            )

    def _again(self, facts: MonitorFacts) -> None:
        self.error = None
        self._loaded(facts)
        self.changed()


_EMPTY = {
    "drift": tr("Too few customers were scored to compare them with the training."),
    "quality": tr("No month has matured outcomes yet."),
    "ahead": tr("There is no customer whose outcome is still to come."),
    "alerts": tr("Nothing needs a person."),
}
