"""Live figures, latency and errors, scores, drift, quality by month, estimates, alerts."""

from __future__ import annotations

import time

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from churnkit_desktop.backend.monitor_facts import MonitorFacts
from churnkit_desktop.desk import Desk
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.monitor.presenter import MonitorPresenter
from churnkit_desktop.screens.monitor.state import FIGURES, courses, figures, months
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label, row
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.widgets.tile import Tile
from churnkit_desktop.words import day, percent, plural, whole


class MonitorView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: MonitorPresenter, theme: Theme) -> None:
        super().__init__("Monitor")
        self.presenter = presenter
        self.measure = QPushButton("Measure now")
        self.measure.setToolTip("Compares predictions with what came true, and looks for drift.")
        self.measure.clicked.connect(presenter.measure)
        self.buttons.addWidget(self.measure)
        self.banner = Banner()
        self.job_card = JobCard(presenter.cancel)
        self.above.addWidget(self.banner)
        self.above.addWidget(self.job_card)
        self.rate = Tile("Predictions per second")
        self.latency = Tile("95 % answered within")
        self.errors = Tile("Failed by our fault")
        self.drifted = Tile("Drift proven")
        self.alert_tile = Tile("Alerts")
        tiles = (self.rate, self.latency, self.errors, self.drifted, self.alert_tile)
        self.body.addLayout(row(*tiles))
        self.live = Card("Live")
        self.live_text = label("", "faint", wrap=True)
        self.live.body.addWidget(self.live_text)
        self.live_chart = Chart(
            theme, "throughput", x_label="seconds before now", y_label="predictions per second"
        )
        self.live_chart.setFixedHeight(210)
        self.live.body.addWidget(self.live_chart)
        self.body.addWidget(self.live)
        self.tabs = QTabWidget()
        self.tabs.setMinimumHeight(400)
        self.body.addWidget(self.tabs)
        self._notes: dict[str, object] = {}
        self._make_requests(theme)
        self._make_scores(theme)
        self._make_drift()
        self._make_quality(theme)
        self._make_ahead()
        self._make_alerts()
        self._fill = (
            self._show_requests,
            self._show_scores,
            self._show_drift,
            self._show_quality,
            self._show_ahead,
            self._show_alerts,
        )
        self.tabs.currentChanged.connect(lambda _i: self._show_tab())
        self.body.addStretch(1)
        presenter.changed.connect(self.show_state)
        presenter.live_changed.connect(self.show_live)

    # --- making ------------------------------------------------------------------------

    def _page(self, key: str, title: str, *parts: QWidget) -> None:
        page = QWidget()
        column = QVBoxLayout(page)
        note = label("", "faint", wrap=True)
        self._notes[key] = note
        column.addWidget(note)
        for part in parts:
            column.addWidget(part, 1)
        column.addStretch(0)
        self.tabs.addTab(page, title)

    def _make_requests(self, theme: Theme) -> None:
        self.latency_chart = Chart(
            theme, "latency", x_label="time (UTC)", y_label="answered within (ms)", time=True
        )
        self.error_chart = Chart(
            theme, "errors", x_label="time (UTC)", y_label="failed (%)", time=True
        )
        both = QWidget()
        line = QHBoxLayout(both)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.latency_chart, 3)
        line.addWidget(self.error_chart, 2)
        self.requests_part = both
        self._page("requests", "Latency and errors", both)

    def _make_scores(self, theme: Theme) -> None:
        self.score_chart = Chart(
            theme, "scores", x_label="probability of leaving (%)", y_label="customers (%)"
        )
        self._page("scores", "Scores", self.score_chart)

    def _make_drift(self) -> None:
        self.drift = RowsModel(
            (
                Column("Model"),
                Column("Feature"),
                Column("Drift"),
                Column("PSI", "{:.3f}".format, number=True, hint="0: as in the training."),
                Column("at least", "{:.3f}".format, number=True, hint="It holds at all times."),
                Column("at most", "{:.3f}".format, number=True),
                Column("What moved most"),
                Column("Customers", whole, number=True),
            )
        )
        self.drift_table = Table("Drift by feature", self.drift, sorts=True)
        self._page("drift", "Drift by feature", self.drift_table)

    def _make_quality(self, theme: Theme) -> None:
        self.figure = QComboBox()
        self.figure.setAccessibleName("Figure")
        self.figure.activated.connect(
            lambda _i: self.presenter.show_figure(str(self.figure.currentData()))
        )
        self.quality_chart = Chart(theme, "quality", x_label="month", y_label="figure")
        self._page("quality", "Quality by month", self.figure, self.quality_chart)

    def _make_ahead(self) -> None:
        self.ahead = RowsModel(
            (
                Column("Model"),
                Column("Figure", lambda name: FIGURES.get(name, name).split(" (")[0]),
                Column("Estimate", "{:.3f}".format, number=True),
                Column("from", "{:.3f}".format, number=True),
                Column("to", "{:.3f}".format, number=True),
                Column("Customers", whole, number=True),
            )
        )
        self.ahead_table = Table("Estimates without labels", self.ahead)
        self._page("ahead", "Without labels", self.ahead_table)

    def _make_alerts(self) -> None:
        self.alerts = RowsModel((Column("Since", day), Column("How bad"), Column("What")))
        self.alerts_table = Table("Alerts", self.alerts)
        self._page("alerts", "Alerts", self.alerts_table)

    # --- showing -----------------------------------------------------------------------

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        self.banner.show_error(presenter.error)
        job = presenter.job
        running = bool(job and job.running)
        self.job_card.show_job(job)
        if presenter.facts is None:
            self.measure.hide()
            self.subtitle.setText("Reading …" if presenter.busy else "")
            return
        facts = presenter.shown_facts
        self.measure.setVisible(facts.can_measure)
        self.measure.setEnabled(not running)
        self.subtitle.setText(
            "Requests, scores, drift and quality; what is live comes by itself."
            if presenter.is_live
            else "Quality, drift and scores of this project."
        )
        self._show_tiles(facts)
        self._show_tab()
        self.show_live()

    def _show_tab(self) -> None:
        """Fill the page that is looked at; the others when they are."""
        if self.presenter.facts is not None:
            self._fill[self.tabs.currentIndex()](self.presenter.shown_facts)

    def _show_ahead(self, facts: MonitorFacts) -> None:
        self._note("ahead", bool(facts.ahead), facts, facts.ahead[0].caveat if facts.ahead else "")
        self.ahead.fill(
            [
                (a.version, a.name, a.figure.value, a.figure.low, a.figure.high, a.n)
                for a in facts.ahead
            ]
        )
        self.ahead_table.fit_columns()
        self.ahead_table.setVisible(bool(facts.ahead))

    def _show_alerts(self, facts: MonitorFacts) -> None:
        alerts = self.presenter.alerts
        self._note("alerts", bool(alerts), facts)
        self.alerts.fill([(a.at, a.severity, a.what) for a in alerts])
        self.alerts_table.fit_columns()
        self.alerts_table.setVisible(bool(alerts))

    def show_live(self) -> None:
        """Draw the last two minutes; once a second."""
        presenter = self.presenter
        live = presenter.is_live and not presenter.deaf
        self.live_chart.setVisible(live)
        if not live:
            why = presenter.deaf or presenter.shown_facts.why.get("live", "")
            self.live_text.setText(why)
            self.rate.show_figure("–", "not live")
            return
        now = time.time()
        rate = presenter.rate
        x, y = rate.series(now)
        self.live_chart.line("predictions", x, y)
        mean = rate.mean_probability()
        high = rate.by_band.get("high", 0)
        total = sum(rate.n.values())
        self.live_text.setText(
            f"{whole(total)} predictions in two minutes; mean probability {percent(mean)}, "
            f"{percent(high / total)} at high risk."
            if mean is not None and total
            else "Nobody was scored in the last two minutes."
        )
        self.rate.show_figure(f"{rate.per_second(now):,.1f}", "over ten seconds")
        if presenter.told.lines:
            self.alert_tile.show_figure(whole(len(presenter.alerts)), presenter.alerts[0].what)

    def _note(self, key: str, there: bool, facts: MonitorFacts, otherwise: str = "") -> None:
        text = otherwise if there else facts.why.get(key, "")
        note = self._notes[key]
        note.setText(text)  # type: ignore[attr-defined]
        note.setVisible(bool(text))  # type: ignore[attr-defined]

    def _show_tiles(self, facts: MonitorFacts) -> None:
        last = next((m for m in reversed(facts.minutes) if m.per_second), None)
        if last is None:
            self.latency.show_figure("–", "no requests lately" if facts.minutes else "not live")
            self.errors.show_figure("–", "")
        else:
            when = last.at.astimezone().strftime("%H:%M")
            slow = "> 10 s" if last.p95 is None else f"{last.p95 * 1000:,.1f} ms"
            self.latency.show_figure(slow, f"in the minute of {when}")
            failed = sum(m.error_share * m.per_second for m in facts.minutes)
            asked = sum(m.per_second for m in facts.minutes)
            self.errors.show_figure(percent(failed / asked, 2), "of three hours' requests")
        proven = [line for line in facts.drift if line.proven_at is not None]
        if facts.drift:
            names = ", ".join(line.name for line in proven[:3])
            self.drifted.show_figure(str(len(proven)), names or f"of {len(facts.drift)} watched")
        else:
            self.drifted.show_figure("–", "too little to say")
        alerts = self.presenter.alerts
        self.alert_tile.show_figure(str(len(alerts)), alerts[0].what if alerts else "none")

    def _show_requests(self, facts: MonitorFacts) -> None:
        minutes = [m for m in facts.minutes if m.per_second]
        self._note("requests", bool(minutes), facts)
        self.requests_part.setVisible(bool(minutes))
        if not minutes:
            return
        x = [m.at.timestamp() for m in minutes]
        for colour, (name, key) in enumerate((("half", "p50"), ("95 %", "p95"), ("99 %", "p99"))):
            values = [getattr(m, key) for m in minutes]
            y = [float("nan") if v is None else v * 1000 for v in values]
            self.latency_chart.line(name, x, y, colour=colour, dots=len(x) < 30)
        self.error_chart.line(
            "failed", x, [m.error_share * 100 for m in minutes], colour=1, dots=len(x) < 30
        )

    def _show_scores(self, facts: MonitorFacts) -> None:
        self._note("scores", bool(facts.shapes), facts)
        self.score_chart.setVisible(bool(facts.shapes))
        names = [f"{s.name}: {whole(s.n)}, mean {percent(s.mean)}" for s in facts.shapes]
        stems = [s.name for s in facts.shapes]
        for name in self.score_chart.names():
            if name not in stems:
                self.score_chart.drop(name)
        for colour, shape in enumerate(facts.shapes):
            width = 100 / len(shape.shares)
            x = [(i + 0.5) * width for i in range(len(shape.shares))]
            y = [share * 100 for share in shape.shares]
            if len(facts.shapes) == 1:
                self.score_chart.bars(shape.name, x, y, width * 0.9, colour=colour)
            else:
                self.score_chart.line(shape.name, x, y, colour=colour, dots=True)
        if facts.shapes:
            self._note("scores", True, facts, "; ".join(names))

    def _show_drift(self, facts: MonitorFacts) -> None:
        self._note(
            "drift",
            bool(facts.drift),
            facts,
            "Against the customers of the training. “Proven” is wrong with a small probability, "
            "however often one looks; drift alone does not say that the model is worse.",
        )
        self.drift.fill(
            [
                (
                    line.version,
                    line.name,
                    f"proven {day(line.proven_at)}" if line.proven_at else "not proven",
                    line.psi.value,
                    line.psi.low,
                    line.psi.high,
                    line.moved,
                    line.n,
                )
                for line in sorted(facts.drift, key=lambda d: (d.proven_at is None, -d.psi.value))
            ]
        )
        self.drift_table.fit_columns()
        self.drift_table.setVisible(bool(facts.drift))

    def _show_quality(self, facts: MonitorFacts) -> None:
        presenter = self.presenter
        names = figures(facts.quality)
        self._note(
            "quality",
            bool(names),
            facts,
            f"Customers whose outcomes are known, {plural(len(months(facts.quality)), 'month')}; "
            "bands are 95 % intervals.",
        )
        self.figure.setVisible(bool(names))
        self.quality_chart.setVisible(bool(names))
        self.figure.blockSignals(True)
        self.figure.clear()
        for name in names:
            self.figure.addItem(FIGURES.get(name, name), name)
        self.figure.setCurrentIndex(max(0, self.figure.findData(presenter.figure)))
        self.figure.blockSignals(False)
        self.quality_chart.clear()
        if not names:
            return
        self.quality_chart.ticks([(float(i), m) for i, m in enumerate(months(facts.quality))])
        for colour, course in enumerate(courses(facts.quality, presenter.figure)):
            self.quality_chart.band(
                f"{course.version} interval", course.x, course.low, course.high, colour=colour
            )
            self.quality_chart.line(
                course.version, course.x, course.value, colour=colour, dots=True
            )


def make(desk: Desk, theme: Theme) -> MonitorView:
    """The screen."""
    return MonitorView(MonitorPresenter(desk), theme)
