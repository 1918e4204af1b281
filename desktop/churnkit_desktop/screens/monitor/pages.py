"""Latency and errors, scores, drift, quality by month, estimates, alerts: one page each."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QTabWidget, QVBoxLayout, QWidget

from churnkit_desktop.backend.monitor_facts import MonitorFacts
from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.monitor.presenter import MonitorPresenter
from churnkit_desktop.screens.monitor.state import FIGURES, courses, figures, months
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.layout import label
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import day, decimals, percent, plural, whole


class MonitorPages(QTabWidget):
    """Binds to the presenter; only the page that is looked at is filled."""

    def __init__(self, presenter: MonitorPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.presenter = presenter
        self.setMinimumHeight(400)
        self.notes: dict[str, QLabel] = {}
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
        self.currentChanged.connect(lambda _i: self.show_page())

    def _page(self, key: str, title: str, *parts: QWidget) -> None:
        page = QWidget()
        self.addTab(page, title)
        column = QVBoxLayout(page)
        note = label("", "faint", wrap=True)
        self.notes[key] = note
        column.addWidget(note)
        for part in parts:
            column.addWidget(part, 1)
        column.addStretch(0)

    def _make_requests(self, theme: Theme) -> None:
        self.latency_chart = Chart(
            theme,
            "latency",
            x_label=tr("time (UTC)"),
            y_label=tr("answered within (ms)"),
            time=True,
        )
        self.error_chart = Chart(
            theme, "errors", x_label=tr("time (UTC)"), y_label=tr("failed (%)"), time=True
        )
        both = QWidget()
        line = QHBoxLayout(both)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.latency_chart, 3)
        line.addWidget(self.error_chart, 2)
        self.requests_part = both
        self._page("requests", tr("Latency and errors"), both)

    def _make_scores(self, theme: Theme) -> None:
        self.score_chart = Chart(
            theme, "scores", x_label=tr("probability of leaving (%)"), y_label=tr("customers (%)")
        )
        self._page("scores", tr("Scores"), self.score_chart)

    def _make_drift(self) -> None:
        self.drift = RowsModel(
            (
                Column(tr("Model")),
                Column(tr("Feature")),
                Column(tr("Drift")),
                Column("PSI", decimals(3), number=True, hint=tr("0: as in the training.")),
                Column(tr("at least"), decimals(3), number=True, hint=tr("It holds at all times.")),
                Column(tr("at most"), decimals(3), number=True),
                Column(tr("What moved most")),
                Column(tr("Customers"), whole, number=True),
            )
        )
        self.drift_table = Table(tr("Drift by feature"), self.drift, sorts=True)
        self._page("drift", tr("Drift by feature"), self.drift_table)

    def _make_quality(self, theme: Theme) -> None:
        self.figure = QComboBox()
        self.figure.setAccessibleName(tr("Figure"))
        self.figure.activated.connect(
            lambda _i: self.presenter.show_figure(str(self.figure.currentData()))
        )
        self.quality_chart = Chart(theme, "quality", x_label="month", y_label="figure")
        self._page("quality", tr("Quality by month"), self.figure, self.quality_chart)

    def _make_ahead(self) -> None:
        self.ahead = RowsModel(
            (
                Column(tr("Model")),
                Column(tr("Figure"), lambda name: FIGURES.get(name, name).split(" (")[0]),
                Column(tr("Estimate"), decimals(3), number=True),
                Column(tr("from"), decimals(3), number=True),
                Column(tr("to"), decimals(3), number=True),
                Column(tr("Customers"), whole, number=True),
            )
        )
        self.ahead_table = Table(tr("Estimates without labels"), self.ahead)
        self._page("ahead", tr("Without labels"), self.ahead_table)

    def _make_alerts(self) -> None:
        self.alerts = RowsModel(
            (Column(tr("Since"), day), Column(tr("How bad")), Column(tr("What")))
        )
        self.alerts_table = Table(tr("Alerts"), self.alerts)
        self._page("alerts", tr("Alerts"), self.alerts_table)

    def show_page(self) -> None:
        """Fill the page that is looked at; the others when they are."""
        if self.presenter.facts is not None:
            self._fill[self.currentIndex()](self.presenter.shown_facts)

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

    def _note(self, key: str, there: bool, facts: MonitorFacts, otherwise: str = "") -> None:
        text = otherwise if there else facts.why.get(key, "")
        note = self.notes[key]
        note.setText(text)
        note.setVisible(bool(text))

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
        failed = [m.error_share * 100 for m in minutes]
        self.error_chart.line("failed", x, failed, colour=1, dots=len(x) < 30)
        self.error_chart.look_at(-0.02, max(1.0, max(failed) * 1.1))

    def _show_scores(self, facts: MonitorFacts) -> None:
        self._note("scores", bool(facts.shapes), facts)
        self.score_chart.setVisible(bool(facts.shapes))
        names = [
            tr("{name}: {n}, mean {mean}").format(name=s.name, n=whole(s.n), mean=percent(s.mean))
            for s in facts.shapes
        ]
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
            tr(
                "Against the customers of the training. “Proven” is wrong with a "
                "small probability, however often one looks; drift alone does not "
                "say that the model is worse."
            ),
        )
        self.drift.fill(
            [
                (
                    line.version,
                    line.name,
                    tr("proven {proven_at}").format(proven_at=day(line.proven_at))
                    if line.proven_at
                    else tr("not proven"),
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
            tr("Customers whose outcomes are known, {quality}; bands are 95 % intervals.").format(
                quality=plural(len(months(facts.quality)), "month")
            ),
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
                tr("{version} interval").format(version=course.version),
                course.x,
                course.low,
                course.high,
                colour=colour,
            )
            self.quality_chart.line(
                course.version, course.x, course.value, colour=colour, dots=True
            )
