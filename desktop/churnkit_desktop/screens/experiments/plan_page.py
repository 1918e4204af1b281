"""Arms, weights, outcomes, and how many customers it takes, before an experiment."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.backend.experiment_facts import ExperimentPlanFacts
from churnkit_desktop.language import tr
from churnkit_desktop.screens.experiments.arm_row import ArmRow
from churnkit_desktop.screens.experiments.presenter import ExperimentsPresenter
from churnkit_desktop.screens.experiments.state import MOST_ARMS, OUTCOMES, PlanForm
from churnkit_desktop.widgets.layout import Card, label
from churnkit_desktop.widgets.number_box import number_box
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import decimals, figure, percent, points, suffix, whole

_KINDS = (("treatments", tr("offers (treatments)")), ("models", tr("models")))


class PlanPage(QWidget):
    """Binds to the presenter's plan; each entry is one edit that can be undone."""

    def __init__(self, presenter: ExperimentsPresenter, parent: QWidget) -> None:
        super().__init__(parent)
        self._presenter = presenter
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        self._arms_card(Card(tr("Arms"), column))
        self._form_card(Card(tr("What is measured"), column))
        self._sizes_card(Card(tr("How many customers, and how long"), column))
        column.addStretch(1)

    def _arms_card(self, card: Card) -> None:
        bar = QHBoxLayout()
        card.body.addLayout(bar)
        self.kind = QComboBox()
        self.kind.setAccessibleName(tr("What is compared"))
        for key, title in _KINDS:
            self.kind.addItem(tr("Compare {title}").format(title=title), key)
        self.more, self.less = QPushButton(tr("Add an arm")), QPushButton(tr("Remove the last"))
        bar.addWidget(self.kind)
        bar.addStretch(1)
        bar.addWidget(self.more)
        bar.addWidget(self.less)
        self._grid = QGridLayout()
        card.body.addLayout(self._grid)
        self._grid.setHorizontalSpacing(12)
        for place, (title, stretch) in enumerate(
            (
                (tr("Arm"), 2),
                (tr("Share of customers"), 1),
                (tr("What they get"), 3),
                (tr("Cost a customer"), 1),
            )
        ):
            self._grid.addWidget(label(title, "faint"), 0, place)
            self._grid.setColumnStretch(place, stretch)
        self.problem = label("", "problemTitle", wrap=True)
        card.body.addWidget(self.problem)
        self._rows: list[ArmRow] = []
        presenter = self._presenter
        self.kind.activated.connect(lambda _i: presenter.choose_kind(self.kind.currentData()))
        self.more.clicked.connect(presenter.more_arms)
        self.less.clicked.connect(presenter.fewer_arms)

    def _form_card(self, card: Card) -> None:
        presenter = self._presenter
        form = QFormLayout()
        card.body.addLayout(form)
        form.setHorizontalSpacing(18)
        line = QHBoxLayout()
        line.setSpacing(22)
        self.outcomes: dict[str, QCheckBox] = {}
        for key, title in OUTCOMES.items():
            box = QCheckBox(title)
            box.toggled.connect(lambda _on: self._outcomes_chosen())
            line.addWidget(box)
            self.outcomes[key] = box
        line.addStretch(1)
        form.addRow(tr("Outcomes"), line)
        unit = suffix(presenter.desk.currency)
        self.cap = number_box(0, 10_000_000, 2, suffix=unit)
        self.effect = number_box(0.01, 99, 2, suffix=tr(" points"))
        self.alpha = number_box(0.1, 50, 1, suffix=" %")
        self.power = number_box(10, 99, 0, suffix=" %")
        self.retention = number_box(0, 99.9, 1, suffix=" %", none=tr("as measured"))
        self.per_day = number_box(0, 10_000_000, 1, none=tr("as lately"))
        self.adjust = QCheckBox(tr("Use earlier scores to need fewer customers (CUPED)"))
        self.population = QLineEdit()
        self.population.setPlaceholderText(tr("who may enter, in words (may be empty)"))
        self.why = QLineEdit()
        self.why.setPlaceholderText(tr("for the history (may be empty)"))
        rows: tuple[tuple[str, QWidget], ...] = (
            (tr("Of one customer's revenue counts at most"), self.cap),
            (tr("Smallest effect that matters"), self.effect),
            (tr("Wrong claims, at most"), self.alpha),
            (tr("Chance to find the effect"), self.power),
            (tr("Share who stay without it"), self.retention),
            (tr("Customers who enter a day"), self.per_day),
            ("", self.adjust),
            (tr("Population"), self.population),
            (tr("Reason"), self.why),
        )
        self._form = form
        for title, field in rows:
            form.addRow(title, field)
            if title:
                field.setAccessibleName(title)
        edit = presenter.edit
        self.cap.valueChanged.connect(lambda v: edit(tr("cap of the revenue"), revenue_cap=v))
        self.effect.valueChanged.connect(
            lambda v: edit(tr("smallest effect"), smallest_effect=round(v / 100, 6))
        )
        self.alpha.valueChanged.connect(lambda v: edit(tr("wrong claims"), alpha=round(v / 100, 6)))
        self.power.valueChanged.connect(lambda v: edit(tr("chance"), power=round(v / 100, 6)))
        self.retention.valueChanged.connect(
            lambda v: edit(tr("share who stay"), retention=round(v / 100, 6))
        )
        self.per_day.valueChanged.connect(lambda v: edit(tr("customers a day"), per_day=v))
        self.adjust.toggled.connect(lambda on: edit("CUPED", adjust=on))
        self.population.editingFinished.connect(
            lambda: edit("population", population=self.population.text())
        )
        self.why.editingFinished.connect(lambda: edit("reason", why=self.why.text()))

    def _sizes_card(self, card: Card) -> None:
        self.sizes_text = label("", "faint", wrap=True)
        self.sizes = RowsModel(
            (
                Column(tr("Arm")),
                Column(tr("Method")),
                Column("CUPED", lambda on: tr("with") if on else tr("without")),
                Column(tr("Customers"), whole, number=True, hint=tr("In both arms together.")),
                Column(tr("Half decided by"), whole, number=True),
                Column(tr("Days"), whole, number=True, hint=tr("Outcomes included.")),
            )
        )
        self.size_table = Table(tr("Sizes"), self.sizes)
        bar = QHBoxLayout()
        self.compute = QPushButton(tr("Compute the sizes"))
        back, self.begin = QPushButton(tr("Back")), QPushButton(tr("Start the experiment"))
        self.begin.setObjectName("primary")
        bar.addWidget(self.compute)
        bar.addStretch(1)
        bar.addWidget(back)
        bar.addWidget(self.begin)
        card.body.addWidget(self.sizes_text)
        card.body.addWidget(self.size_table)
        card.body.addLayout(bar)
        self.compute.clicked.connect(self._presenter.compute)
        back.clicked.connect(self._presenter.leave_plan)
        self.begin.clicked.connect(self._presenter.start_experiment)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self._presenter
        form = presenter.form.value
        with QSignalBlocker(self.kind):
            self.kind.setCurrentIndex(self.kind.findData(form.kind))
        self.more.setVisible(form.kind == "treatments")
        self.less.setVisible(form.kind == "treatments")
        self.more.setEnabled(len(form.arms) < MOST_ARMS)
        self.less.setEnabled(len(form.arms) > 2)
        self._show_arms(form)
        self.problem.setText(form.problem)
        self.problem.setVisible(bool(form.problem))
        for key, box in self.outcomes.items():
            with QSignalBlocker(box):
                box.setChecked(key in form.outcomes)
        self._form.setRowVisible(self.cap, "revenue" in form.outcomes)
        for number, value in (
            (self.cap, form.revenue_cap),
            (self.effect, form.smallest_effect * 100),
            (self.alpha, form.alpha * 100),
            (self.power, form.power * 100),
            (self.retention, form.retention * 100),
            (self.per_day, form.per_day),
        ):
            with QSignalBlocker(number):
                number.setValue(value)
        with QSignalBlocker(self.adjust):
            self.adjust.setChecked(form.adjust)
        for line, text in ((self.population, form.population), (self.why, form.why)):
            if not line.hasFocus():
                line.setText(text)
        ready = not form.problem and not presenter.busy
        self.compute.setEnabled(ready)
        self.begin.setEnabled(ready)
        self._show_sizes(presenter.plan)

    def _show_arms(self, form: PlanForm) -> None:
        while len(self._rows) < len(form.arms):
            made = ArmRow(self._presenter, self._grid, len(self._rows))
            # Made later than what stands below, it would be the last stop of the Tab key.
            before: QWidget = self._rows[-1].cost if self._rows else self.less
            for widget in (made.name, made.weight, made.offer, made.model, made.cost):
                QWidget.setTabOrder(before, widget)
                before = widget
            self._rows.append(made)
        for i, arm_row in enumerate(self._rows):
            arm = form.arms[i] if i < len(form.arms) else None
            arm_row.show_arm(arm, form.kind, self._versions())

    def _versions(self) -> list[str]:
        listed = self._presenter.models
        return [version.version for version in listed.versions] if listed else []

    def _show_sizes(self, plan: ExperimentPlanFacts | None) -> None:
        self.size_table.setVisible(plan is not None)
        if plan is None:
            self.sizes_text.setText(
                tr("Computed by the usual fixed sample, and for looking at any time (simulated).")
            )
            return
        old = (
            tr(" Something was changed since: compute again.")
            if self._presenter.plan_is_old
            else ""
        )
        self.sizes_text.setText(
            tr(
                "To find {effect} points on {retention} who stay with {power} "
                "chance; at most {alpha} of the claims are wrong. Correlation of "
                "score and outcome: {correlation} ({correlation_from}). "
                "Outcomes take {days_to_mature} days.{old}"
            ).format(
                effect=points(plan.effect),
                retention=percent(plan.retention),
                power=percent(plan.power, 0),
                alpha=percent(plan.alpha),
                correlation=decimals(2)(plan.correlation),
                correlation_from=plan.correlation_from,
                days_to_mature=figure(plan.days_to_mature),
                old=old,
            )
        )
        titles = {"fixed": tr("one look at the end"), "sequential": tr("look at any time")}
        self.sizes.fill(
            [
                (s.arm, titles[s.method], s.adjusted, s.customers, s.median, s.days)
                for s in plan.sizes
            ]
        )
        self.size_table.fit_columns()
        self.size_table.fit_rows()

    def _outcomes_chosen(self) -> None:
        chosen = tuple(key for key, box in self.outcomes.items() if box.isChecked())
        self._presenter.edit("outcomes", outcomes=chosen)
