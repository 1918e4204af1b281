"""Stages, evidence as bounds that shrink, gates, decisions, the journal."""

from __future__ import annotations

from functools import cached_property

from PySide6.QtCore import QSignalBlocker, QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.backend.rollout_facts import GateFacts, RolloutFacts
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.rollout.presenter import RolloutPresenter
from churnkit_desktop.screens.rollout.start_page import StartPage
from churnkit_desktop.screens.rollout.state import (
    Course,
    course_keys,
    outlook,
    rule_title,
    stage_position,
    standing,
)
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.empty import Empty
from churnkit_desktop.widgets.ladder import Ladder
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import day, decimals, figure, whole, with_unit

TICK_MS = 3_000
_DECISIONS = ("pause", "resume", "promote", "abort")


class RolloutView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: RolloutPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Rollout"), parent)
        self.presenter = presenter
        self.chosen = QComboBox()
        self.chosen.setAccessibleName(tr("Rollout"))
        self.chosen.setMinimumContentsLength(24)
        self.look = QPushButton(tr("Look now"))
        self.look.setToolTip(tr("Take in the outcomes that matured, and do what is decided."))
        self.start = QPushButton(tr("Start a rollout …"))
        for part in (self.chosen, self.look, self.start):
            self.buttons.addWidget(part)
        self.banner = Banner()
        self.above.addWidget(self.banner)
        self.pages = QStackedWidget()
        self.body.addWidget(self.pages)
        self.pages.addWidget(
            Empty(
                tr("No rollout yet"),
                tr(
                    "A rollout lets a challenger prove itself on live customers before "
                    "it takes over: first in shadow, then for a few, then for all."
                ),
                tr("Start a rollout"),
                presenter.begin_start,
            )
        )
        self._theme = theme
        self._content(theme)
        self.chosen.activated.connect(lambda _i: presenter.choose(self.chosen.currentData()))
        self.look.clicked.connect(presenter.look_now)
        self.start.clicked.connect(presenter.begin_start)
        self._timer = QTimer(self)
        self._timer.timeout.connect(presenter.tick)
        self._timer.start(TICK_MS)
        presenter.changed.connect(self.show_state)

    @cached_property
    def start_page(self) -> StartPage:
        """Made when somebody starts a rollout."""
        page = StartPage(self.presenter, self._theme, self.pages)
        self.pages.addWidget(page)
        return page

    def _content(self, theme: Theme) -> None:
        content = QWidget()
        self.pages.addWidget(content)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        stages = Card(tr("Stages"), column)
        self.ladder = Ladder(theme)
        self.standing = label("", wrap=True)
        self.reason = label("", "faint", wrap=True)
        for part in (self.ladder, self.standing, self.reason):
            stages.body.addWidget(part)

        evidence = Card(tr("Evidence"), column)
        bar = QHBoxLayout()
        self.drawn = QComboBox()
        self.drawn.setAccessibleName(tr("What the chart shows"))
        self.outlook = label("", wrap=True)
        bar.addWidget(self.drawn)
        bar.addWidget(self.outlook, 1)
        evidence.body.addLayout(bar)
        self.chart = Chart(theme, "evidence", x_label=tr("matured pairs"), y_label="gain")
        self.chart.setFixedHeight(300)
        evidence.body.addWidget(self.chart)
        evidence.body.addWidget(
            label(
                tr(
                    "The bounds hold at every look together, so looking often costs "
                    "nothing. Gains are above 0 where the challenger is better."
                ),
                "faint",
                wrap=True,
            )
        )
        self.gates = RowsModel(
            (
                Column(tr("Gate or guardrail")),
                Column(tr("State")),
                Column(tr("Gain so far"), _figure, number=True),
                Column(tr("At least"), _figure, number=True),
                Column(tr("At most"), _figure, number=True),
                Column(tr("Line"), figure, number=True, hint=tr("What the bound has to pass.")),
                Column(tr("Pairs"), whole, number=True),
                Column(tr("Then")),
            )
        )
        self.gate_table = Table(tr("Gates and guardrails"), self.gates)
        evidence.body.addWidget(self.gate_table)
        self.notes = label("", "faint", wrap=True)
        evidence.body.addWidget(self.notes)

        self.decide = Card(tr("Decide"), column)
        self.why = QLineEdit(self.presenter.why)
        self.why.setPlaceholderText(tr("Why? The reason is kept in the journal."))
        self.why.setAccessibleName(tr("Reason of the decision"))
        line = QHBoxLayout()
        line.addWidget(self.why, 1)
        self.moves: dict[str, QPushButton] = {}
        for verb in _DECISIONS:
            button = QPushButton(verb.capitalize())
            button.clicked.connect(lambda _=False, verb=verb: self.presenter.move(verb))
            line.addWidget(button)
            self.moves[verb] = button
        self.moves["promote"].setObjectName("primary")
        self.decide.body.addLayout(line)
        self.why.textChanged.connect(self._why_changed)
        self.drawn.activated.connect(
            lambda _i: self.presenter.show_metric(self.drawn.currentData())
        )

        journal = Card(tr("Journal"), column)
        self.journal = RowsModel(
            (
                Column(tr("When"), day),
                Column(tr("What")),
                Column(tr("Stage")),
                Column(tr("Pairs"), whole, number=True),
                Column(tr("Who")),
                Column(tr("Why")),
            )
        )
        self.journal_table = Table(tr("Journal"), self.journal)
        journal.body.addWidget(self.journal_table)
        column.addStretch(1)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        if presenter.error is not None:
            self.banner.show_error(presenter.error)
        else:
            self.banner.show_notice(presenter.said)
        if presenter.lines is None and not presenter.starting:
            self.subtitle.setText(tr("Reading …"))
            return
        self.look.setEnabled(presenter.moves.look and not presenter.busy)
        self.start.setVisible(not presenter.starting and not presenter.someone_runs)
        for part in (self.chosen, self.look):
            part.setVisible(not presenter.starting and presenter.facts is not None)
        if presenter.starting:
            self.subtitle.setText(tr("A plan is fixed before the first prediction."))
            self.pages.setCurrentWidget(self.start_page)
            self.start_page.show_state()
            return
        facts = presenter.facts
        self.pages.setCurrentIndex(0 if facts is None else 1)
        if facts is None:
            self.start.hide()
            self.subtitle.setText(tr("Whether a new model may take over."))
            return
        self._show_choice(facts)
        self._show_stages(facts)
        self._show_evidence(facts)
        self._enable()
        self.journal.fill(
            [(s.at, s.action, s.stage, s.pairs, s.who, s.why) for s in reversed(facts.journal)]
        )
        self.journal_table.fit_columns()
        self.journal_table.fit_rows(8)

    def _show_choice(self, facts: RolloutFacts) -> None:
        line = facts.line
        self.subtitle.setText(
            tr(
                "{rollout_id}: {challenger} wants to take over from {champion} "
                "(attempt {attempt}), since {created_at}."
            ).format(
                rollout_id=line.rollout_id,
                challenger=line.challenger,
                champion=line.champion,
                attempt=line.attempt,
                created_at=day(line.created_at),
            )
        )
        lines = self.presenter.lines or ()
        with QSignalBlocker(self.chosen):
            self.chosen.clear()
            for one in reversed(lines):
                state = one.outcome or one.condition
                self.chosen.addItem(
                    tr("{rollout_id}  {challenger} against {champion}, {state}").format(
                        rollout_id=one.rollout_id,
                        challenger=one.challenger,
                        champion=one.champion,
                        state=state,
                    ),
                    one.rollout_id,
                )
            self.chosen.setCurrentIndex(self.chosen.findData(line.rollout_id))

    def _show_stages(self, facts: RolloutFacts) -> None:
        steps = [
            (
                s.name,
                tr("{minimum_customers} customers, {minimum_days} d").format(
                    minimum_customers=whole(s.minimum_customers),
                    minimum_days=figure(s.minimum_days),
                ),
            )
            for s in facts.plan.stages
        ]
        self.ladder.show_steps(
            [*steps, ("all", tr("when proven"))], stage_position(facts), facts.line.condition
        )
        self.standing.setText(standing(facts))
        looked = (
            tr(" Looked {looked_at}.").format(looked_at=day(facts.line.looked_at))
            if facts.line.looked_at
            else ""
        )
        reason = (
            facts.reason[:1].upper() + facts.reason[1:] if facts.reason else tr("Nobody looked yet")
        )
        self.reason.setText(f"{reason}.{looked}")
        self.reason.setVisible(facts.line.outcome is None)

    def _show_evidence(self, facts: RolloutFacts) -> None:
        keys = course_keys(facts.plan)
        course = self.presenter.course
        assert course is not None
        with QSignalBlocker(self.drawn):
            if [self.drawn.itemData(i) for i in range(self.drawn.count())] != [
                key for key, _ in keys
            ]:
                self.drawn.clear()
                for key, title in keys:
                    self.drawn.addItem(title, key)
            self.drawn.setCurrentIndex(self.drawn.findData(course.key))
        text = outlook(facts)
        waiting = (
            tr(" Waiting for outcomes of {waiting_for}.").format(waiting_for=facts.waiting_for)
            if facts.waiting_for
            else ""
        )
        self.outlook.setText(text + waiting if facts.line.outcome is None else "")
        self._draw(course)
        self.gates.fill([_gate_row(reading) for reading in facts.readings or facts.plan.gates])
        self.gate_table.fit_columns()
        self.gate_table.fit_rows()
        self.notes.setText(" ".join(facts.notes))
        self.notes.setVisible(bool(facts.notes))

    def _draw(self, course: Course) -> None:
        chart = self.chart
        for name in chart.names():
            if name.startswith("mark ") or name == "line":
                chart.drop(name)
        chart.units(with_unit(course.unit, self.presenter.desk.currency if course.money else ""))
        chart.band("bounds", course.x, course.lower, course.upper)
        chart.line(tr("gain so far"), course.x, course.mean)
        chart.level("line", course.line, text=course.line_text)
        for at, verdict in course.marks:
            chart.level(
                tr("mark {at} {verdict}").format(at=at, verdict=verdict),
                at,
                upright=True,
                text=verdict,
            )
        chart.look_at(*course.reach)

    def _why_changed(self, text: str) -> None:
        self.presenter.set_why(text)
        self._enable()

    def _enable(self) -> None:
        presenter = self.presenter
        moves, facts = presenter.moves, presenter.facts
        self.decide.setVisible(presenter.running)
        paused = facts is not None and facts.line.condition == "paused"
        hint = "" if presenter.why.strip() else tr("Give a reason first.")
        for verb, button in self.moves.items():
            button.setEnabled(getattr(moves, verb) and not presenter.busy)
            button.setToolTip(hint)
        self.moves["pause"].setVisible(not paused)
        self.moves["resume"].setVisible(paused)
        if self.why.text() != presenter.why:
            self.why.setText(presenter.why)


def _figure(value: float) -> str:
    return decimals(4 if abs(value) < 10 else 2, "+")(value)


def _gate_row(reading: GateFacts) -> tuple[object, ...]:
    state = {"proven": "proven", "breached": "breached", "open": "open"}[reading.state]
    line = reading.tolerance if reading.metric == "latency" else 0.0 - reading.tolerance
    return (
        rule_title(reading),
        state,
        reading.mean,
        reading.lower,
        reading.upper,
        line,
        reading.n,
        {
            "promote": tr("it may take over"),
            "abort": tr("it is stopped"),
            "pause": tr("it is paused"),
        }[reading.action],
    )


def make(desk: Desk, theme: Theme, parent: QWidget) -> RolloutView:
    """The screen."""
    return RolloutView(RolloutPresenter(desk), theme, parent)
