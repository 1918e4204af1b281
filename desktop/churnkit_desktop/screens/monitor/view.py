"""Live figures above, pages of everything else below."""

from __future__ import annotations

import time

from PySide6.QtWidgets import QPushButton, QWidget

from churnkit_desktop.backend.monitor_facts import MonitorFacts
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.monitor.pages import MonitorPages
from churnkit_desktop.screens.monitor.presenter import MonitorPresenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label, row
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.tile import Tile
from churnkit_desktop.words import clock, decimals, percent, whole


class MonitorView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: MonitorPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Monitor"), parent)
        self.presenter = presenter
        self.measure = QPushButton(tr("Measure now"))
        self.measure.setToolTip(
            tr("Compares predictions with what came true, and looks for drift.")
        )
        self.measure.clicked.connect(presenter.measure)
        self.buttons.addWidget(self.measure)
        self.banner = Banner()
        self.job_card = JobCard(presenter.cancel)
        self.above.addWidget(self.banner)
        self.above.addWidget(self.job_card)
        self.rate = Tile(tr("Predictions per second"))
        self.latency = Tile(tr("95 % answered within"))
        self.errors = Tile(tr("Failed by our fault"))
        self.drifted = Tile(tr("Drift proven"))
        self.alert_tile = Tile(tr("Alerts"))
        tiles = (self.rate, self.latency, self.errors, self.drifted, self.alert_tile)
        self.body.addLayout(row(*tiles))
        self.live = Card(tr("Live"), self.body)
        self.live_text = label("", "faint", wrap=True)
        self.live.body.addWidget(self.live_text)
        self.live_chart = Chart(
            theme,
            "throughput",
            x_label=tr("seconds before now"),
            y_label=tr("predictions per second"),
        )
        self.live_chart.setFixedHeight(210)
        self.live.body.addWidget(self.live_chart)
        self.tabs = MonitorPages(presenter, theme, self)
        self.body.addWidget(self.tabs)
        self.body.addStretch(1)
        presenter.changed.connect(self.show_state)
        presenter.live_changed.connect(self.show_live)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        self.banner.show_error(presenter.error)
        job = presenter.job
        running = bool(job and job.running)
        self.job_card.show_job(job)
        if presenter.facts is None:
            self.measure.hide()
            self.subtitle.setText(tr("Reading …") if presenter.busy else "")
            return
        facts = presenter.shown_facts
        self.measure.setVisible(facts.can_measure)
        self.measure.setEnabled(not running)
        self.subtitle.setText(
            tr("Requests, scores, drift and quality; what is live comes by itself.")
            if presenter.is_live
            else tr("Quality, drift and scores of this project.")
        )
        self._show_tiles(facts)
        self.tabs.show_page()
        self.show_live()

    def show_live(self) -> None:
        """Draw the last two minutes; once a second."""
        presenter = self.presenter
        live = presenter.is_live and not presenter.deaf
        self.live_chart.setVisible(live)
        if not live:
            why = presenter.deaf or presenter.shown_facts.why.get("live", "")
            self.live_text.setText(why)
            self.rate.show_figure("–", tr("not live"))
            return
        now = time.time()
        rate = presenter.rate
        x, y = rate.series(now)
        self.live_chart.line("predictions", x, y)
        mean = rate.mean_probability()
        high = rate.by_band.get("high", 0)
        total = sum(rate.n.values())
        self.live_text.setText(
            tr(
                "{total} predictions in two minutes; mean probability {mean}, {high} at high risk."
            ).format(total=whole(total), mean=percent(mean), high=percent(high / total))
            if mean is not None and total
            else tr("Nobody was scored in the last two minutes.")
        )
        self.rate.show_figure(decimals(1)(rate.per_second(now)), tr("over ten seconds"))
        if presenter.told.lines:
            self.alert_tile.show_figure(whole(len(presenter.alerts)), presenter.alerts[0].what)

    def _show_tiles(self, facts: MonitorFacts) -> None:
        last = next((m for m in reversed(facts.minutes) if m.per_second), None)
        if last is None:
            why = tr("no requests lately") if facts.minutes else tr("not live")
            for tile in (self.latency, self.errors):
                tile.show_figure("–", why)
        else:
            when = clock(last.at)
            slow = (
                "> 10 s"
                if last.p95 is None
                else tr("{p95} ms").format(p95=decimals(1)(last.p95 * 1000))
            )
            self.latency.show_figure(slow, tr("in the minute of {when}").format(when=when))
            failed = sum(m.error_share * m.per_second for m in facts.minutes)
            asked = sum(m.per_second for m in facts.minutes)
            self.errors.show_figure(percent(failed / asked, 2), tr("of three hours' requests"))
        proven = [line for line in facts.drift if line.proven_at is not None]
        if facts.drift:
            names = ", ".join(line.name for line in proven[:3])
            self.drifted.show_figure(
                str(len(proven)), names or tr("of {drift} watched").format(drift=len(facts.drift))
            )
        else:
            self.drifted.show_figure("–", tr("too little to say"))
        alerts = self.presenter.alerts
        self.alert_tile.show_figure(str(len(alerts)), alerts[0].what if alerts else "none")


def make(desk: Desk, theme: Theme, parent: QWidget) -> MonitorView:
    """The screen."""
    return MonitorView(MonitorPresenter(desk), theme, parent)
