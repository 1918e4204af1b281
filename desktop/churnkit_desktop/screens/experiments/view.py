"""Arms, readings with bounds that always hold, and the plan before."""

from __future__ import annotations

from functools import cached_property

from PySide6.QtCore import QSignalBlocker, QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.backend.experiment_facts import EffectFacts, ExperimentFacts
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.experiments.plan_page import PlanPage
from churnkit_desktop.screens.experiments.presenter import ExperimentsPresenter
from churnkit_desktop.screens.experiments.state import (
    OUTCOMES,
    effect_key,
    effect_title,
    figure,
    reading,
    standing,
    verdict,
)
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.empty import Empty
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import day, decimals, percent, whole, with_unit

TICK_MS = 5_000


class ExperimentsView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: ExperimentsPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Experiments"), parent)
        self.presenter = presenter
        self.chosen = QComboBox()
        self.chosen.setAccessibleName(tr("Experiment"))
        self.chosen.setMinimumContentsLength(24)
        self.assign = QPushButton(tr("Draw customers …"))
        self.plan = QPushButton(tr("Plan an experiment …"))
        for part in (self.chosen, self.assign, self.plan):
            self.buttons.addWidget(part)
        self.banner = Banner()
        self.above.addWidget(self.banner)
        self.pages = QStackedWidget()
        self.body.addWidget(self.pages)
        self.pages.addWidget(
            Empty(
                tr("No experiment yet"),
                tr(
                    "An experiment gives some customers an offer, or another model, by "
                    "lot, and tells whether it keeps more of them. You may look at any "
                    "time."
                ),
                tr("Plan an experiment"),
                presenter.begin_plan,
            )
        )
        self._content(theme)
        self.chosen.activated.connect(lambda _i: presenter.choose(self.chosen.currentData()))
        self.plan.clicked.connect(presenter.begin_plan)
        self.assign.clicked.connect(self._assign)
        self._timer = QTimer(self)
        self._timer.timeout.connect(presenter.tick)
        self._timer.start(TICK_MS)
        presenter.changed.connect(self.show_state)

    @cached_property
    def plan_page(self) -> PlanPage:
        """Made when somebody plans."""
        page = PlanPage(self.presenter, self.pages)
        self.pages.addWidget(page)
        return page

    def _content(self, theme: Theme) -> None:
        content = QWidget()
        self.pages.addWidget(content)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        arms = Card(tr("Arms"), column)
        self.standing = label("", wrap=True)
        self.arms = RowsModel(
            (
                Column(tr("Arm")),
                Column(tr("What they get")),
                Column(tr("Share"), percent, number=True),
                Column(tr("Entered"), whole, number=True),
                Column(tr("Counted"), whole, number=True, hint=tr("Whose outcome is known.")),
                Column(tr("Missing"), whole, number=True),
                Column(tr("Stayed"), percent, number=True),
                Column(
                    with_unit(tr("Revenue"), self.presenter.desk.currency), decimals(2), number=True
                ),
            )
        )
        self.arm_table = Table(tr("Arms"), self.arms)
        arms.body.addWidget(self.standing)
        arms.body.addWidget(self.arm_table)
        readings = Card(tr("Readings"), column)
        self.warning = Banner()
        readings.body.addWidget(self.warning)
        self.drawn = QComboBox()
        self.drawn.setAccessibleName(tr("What the chart shows"))
        readings.body.addWidget(self.drawn)
        self.chart = Chart(
            theme,
            "experiment",
            x_label=tr("last day of entry that counts"),
            y_label="gain",
            time=True,
        )
        self.chart.setFixedHeight(280)
        readings.body.addWidget(self.chart)
        self.effects = RowsModel(
            (
                Column(tr("Comparison")),
                Column(tr("Gain"), number=True),
                Column(tr("At least"), number=True),
                Column(tr("At most"), number=True),
                Column(tr("Customers"), whole, number=True, hint=tr("Or leavings, for the time.")),
                Column(tr("Verdict")),
            )
        )
        self.effect_table = Table(tr("Comparisons"), self.effects)
        readings.body.addWidget(self.effect_table)
        self.notes = label("", "faint", wrap=True)
        readings.body.addWidget(self.notes)
        self.stopping = Card(tr("Stop"), column)
        line = QHBoxLayout()
        self.why = QLineEdit(self.presenter.why)
        self.why.setPlaceholderText(tr("Why? The reason is kept in the history."))
        self.why.setAccessibleName(tr("Reason for stopping"))
        self.stop = QPushButton(tr("Stop: nobody enters any more"))
        line.addWidget(self.why, 1)
        line.addWidget(self.stop)
        self.stopping.body.addLayout(line)
        history = Card(tr("History"), column)
        self.history = RowsModel(
            (Column(tr("When"), day), Column(tr("What")), Column(tr("Who")), Column(tr("Why")))
        )
        self.history_table = Table(tr("History"), self.history)
        history.body.addWidget(self.history_table)
        column.addStretch(1)
        self.why.textChanged.connect(self._why_changed)
        self.stop.clicked.connect(self.presenter.stop)
        self.drawn.activated.connect(lambda _i: self.presenter.draw(self.drawn.currentData()))

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        if presenter.error is not None:
            self.banner.show_error(presenter.error)
        else:
            self.banner.show_notice(presenter.said)
        facts = presenter.facts
        for part in (self.chosen, self.assign):
            part.setVisible(not presenter.planning and facts is not None)
        self.plan.setVisible(not presenter.planning and facts is not None)
        self.assign.setEnabled(presenter.can_assign and not presenter.busy)
        if presenter.planning:
            self.subtitle.setText(tr("The plan is fixed before the first customer enters."))
            self.pages.setCurrentWidget(self.plan_page)
            self.plan_page.show_state()
            return
        if presenter.lines is None:
            self.subtitle.setText(tr("Reading …"))
            return
        self.pages.setCurrentIndex(0 if facts is None else 1)
        if facts is None:
            self.subtitle.setText(tr("Does an offer, or another model, do better?"))
            return
        self._show_choice(facts)
        self._show_arms(facts)
        self._show_readings(facts)
        self._enable()
        self.history.fill([(s.at, s.action, s.who, s.why) for s in reversed(facts.history)])
        self.history_table.fit_columns()
        self.history_table.fit_rows(8)

    def _show_choice(self, facts: ExperimentFacts) -> None:
        line = facts.line
        what = "models" if line.kind == "models" else "offers"
        self.subtitle.setText(
            tr(
                "{experiment_id}: an experiment of {what}, {condition}, since "
                "{started_at}. {population}"
            ).format(
                experiment_id=line.experiment_id,
                what=what,
                condition=line.condition,
                started_at=day(line.started_at),
                population=facts.population,
            )
        )
        with QSignalBlocker(self.chosen):
            self.chosen.clear()
            for one in reversed(self.presenter.lines or ()):
                names = " against ".join(reversed(list(one.weights)))
                self.chosen.addItem(
                    f"{one.experiment_id}  {names}, {one.condition}", one.experiment_id
                )
            self.chosen.setCurrentIndex(self.chosen.findData(line.experiment_id))

    def _show_arms(self, facts: ExperimentFacts) -> None:
        self.standing.setText(standing(facts))
        self.arms.fill(
            [
                (
                    a.name,
                    a.gets or "nothing",
                    a.weight,
                    a.entered,
                    a.counted,
                    a.missing,
                    a.retained,
                    a.revenue,
                )
                for a in facts.arms
            ]
        )
        self.arm_table.fit_columns()
        self.arm_table.fit_rows()
        self.arm_table.setColumnHidden(7, "revenue" not in facts.outcomes)

    def _show_readings(self, facts: ExperimentFacts) -> None:
        if facts.withheld:
            self.warning.show_notice(tr("Nothing is read off."), facts.withheld)
        elif facts.mismatch:
            self.warning.show_notice(tr("The arms did not get their shares of the customers."))
        else:
            self.warning.show_notice("")
        drawable = [e for e in facts.effects if e.outcome in OUTCOMES and e.path]
        keys = [effect_key(e) for e in drawable]
        chosen = self.presenter.choice.chosen
        with QSignalBlocker(self.drawn):
            if [self.drawn.itemData(i) for i in range(self.drawn.count())] != keys:
                self.drawn.clear()
                for effect in drawable:
                    self.drawn.addItem(effect_title(effect), effect_key(effect))
            if chosen is not None:
                self.drawn.setCurrentIndex(max(0, self.drawn.findData(effect_key(chosen))))
        for part in (self.drawn, self.chart):
            part.setVisible(bool(drawable))
        if drawable:
            here = chosen if chosen is not None and chosen.path else drawable[0]
            self._draw(here)
        currency = self.presenter.desk.currency
        self.effects.fill(
            [
                (
                    effect_title(e),
                    figure(e, e.estimate, currency),
                    figure(e, e.lower, currency),
                    figure(e, e.upper, currency),
                    e.n,
                    verdict(e),
                )
                for e in facts.effects
            ]
        )
        self.effect_table.fit_columns()
        self.effect_table.fit_rows()
        saved = [e.variance_saved for e in facts.effects if e.variance_saved]
        notes = list(facts.notes)
        if saved:
            notes.append(
                tr("Earlier scores take away {saved} of the variance.").format(
                    saved=percent(max(saved), 0)
                )
            )
        notes.append(tr("The bounds hold at every look together, so look as often as you like."))
        self.notes.setText(" ".join(notes))

    def _draw(self, effect: EffectFacts) -> None:
        drawn = reading(effect, self.presenter.desk.currency)
        self.chart.units(drawn.unit)
        self.chart.band("bounds", drawn.x, drawn.lower, drawn.upper)
        self.chart.line("estimate", drawn.x, drawn.estimate, dots=len(drawn.x) < 40)
        self.chart.level(tr("no difference"), drawn.neutral, text=tr("no difference"))
        self.chart.look_at(*drawn.reach)

    def _why_changed(self, text: str) -> None:
        self.presenter.set_why(text)
        self._enable()

    def _enable(self) -> None:
        presenter = self.presenter
        running = presenter.facts is not None and presenter.facts.line.condition == "running"
        self.stopping.setVisible(running)
        self.stop.setEnabled(presenter.can_stop and not presenter.busy)
        self.stop.setToolTip("" if presenter.why.strip() else tr("Give a reason first."))
        if self.why.text() != presenter.why:
            self.why.setText(presenter.why)

    def _assign(self) -> None:
        source, _ = QFileDialog.getOpenFileName(
            self, tr("Customers to draw"), "", tr("Tables (*.csv *.parquet *.xlsx);;All (*)")
        )
        if not source:
            return
        output, _ = QFileDialog.getSaveFileName(
            self, tr("Where to write who is in which arm"), "arms.csv", tr("CSV (*.csv);;All (*)")
        )
        if output:
            self.presenter.assign(source, output)


def make(desk: Desk, theme: Theme, parent: QWidget) -> ExperimentsView:
    """The screen."""
    return ExperimentsView(ExperimentsPresenter(desk), theme, parent)
