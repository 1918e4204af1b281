"""The form of a plan, with its forecast, before a rollout is started."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.language import tr
from churnkit_desktop.screens.rollout.presenter import RolloutPresenter
from churnkit_desktop.screens.rollout.state import METRICS, StartForm, forecast_text
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.ladder import Ladder
from churnkit_desktop.widgets.layout import Card, label
from churnkit_desktop.widgets.number_box import number_box
from churnkit_desktop.words import figure, suffix, whole

_AS_LATELY = tr("as lately")


class StartPage(QWidget):
    """Binds to the presenter's form."""

    def __init__(self, presenter: RolloutPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._presenter = presenter
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        plan = Card(tr("Start a rollout"), column)
        plan.body.addWidget(
            label(
                tr(
                    "First the challenger only watches (shadow): both models score "
                    "every customer, the champion answers. It advances by itself while "
                    "nothing speaks against it, and takes over only when the gain is "
                    "proven."
                ),
                "faint",
                wrap=True,
            )
        )
        form = QFormLayout()
        plan.body.addLayout(form)
        form.setHorizontalSpacing(18)
        self.challenger = QComboBox()
        allowed, hoped = tr("largest loss that is still good enough"), tr("for the forecast only")
        unknown = tr("not known")
        money = suffix(presenter.desk.currency)
        self.tolerance = number_box(0, 1_000_000, 2, hint=allowed, suffix=money)
        self.gain = number_box(0, 1_000_000, 2, hint=hoped, none=unknown, suffix=money)
        self.spread = number_box(0, 1_000_000, 2, hint=hoped, none=unknown, suffix=money)
        self.alpha_promote = number_box(0.1, 50, 1, suffix=" %")
        self.alpha_abort = number_box(0.1, 50, 1, suffix=" %")
        self.promotes = QCheckBox(tr("Promote by itself when the gates are passed"))
        self.aborts = QCheckBox(tr("Stop by itself when a guardrail is breached"))
        self.customers = QSpinBox()
        self.customers.setRange(0, 2_000_000_000)
        self.customers.setSpecialValueText(_AS_LATELY)
        self.customers.setGroupSeparatorShown(True)
        self.customers.setMaximumWidth(180)
        self.per_day = number_box(0, 1_000_000_000, 1, none=_AS_LATELY)
        self.why = QLineEdit()
        self.why.setPlaceholderText(tr("for the journal, such as “trained on a year more”"))
        rows: tuple[tuple[str, QWidget], ...] = (
            (tr("Challenger"), self.challenger),
            (tr("Profit per customer may be lower by"), self.tolerance),
            (tr("Hoped-for gain per customer"), self.gain),
            (tr("… with a standard deviation of"), self.spread),
            (tr("Wrong promotion, at most"), self.alpha_promote),
            (tr("Wrong stop, at most"), self.alpha_abort),
            ("", self.promotes),
            ("", self.aborts),
            (tr("Customers in all"), self.customers),
            (tr("Scored a day"), self.per_day),
            (tr("Reason"), self.why),
        )
        for title, field in rows:
            form.addRow(title, field)
            if title:
                field.setAccessibleName(title)
        forecast = Card(tr("What to expect"), column)
        self.forecast = label(tr("Reading …"), wrap=True)
        self.ladder = Ladder(theme)
        self.proofs = label("", "faint", wrap=True)
        for part in (self.forecast, self.ladder, self.proofs):
            forecast.body.addWidget(part)
        bar = QHBoxLayout()
        back, self.begin = QPushButton(tr("Back")), QPushButton(tr("Start in shadow"))
        self.begin.setObjectName("primary")
        bar.addStretch(1)
        bar.addWidget(back)
        bar.addWidget(self.begin)
        forecast.body.addLayout(bar)
        column.addStretch(1)
        enter = presenter.enter_form
        self.challenger.activated.connect(
            lambda _i: enter(challenger=self.challenger.currentText())
        )
        self.tolerance.valueChanged.connect(lambda v: enter(tolerance=v))
        self.gain.valueChanged.connect(lambda v: enter(expected_gain=v))
        self.spread.valueChanged.connect(lambda v: enter(expected_sd=v))
        self.alpha_promote.valueChanged.connect(lambda v: enter(alpha_promote=v / 100))
        self.alpha_abort.valueChanged.connect(lambda v: enter(alpha_abort=v / 100))
        self.promotes.toggled.connect(lambda on: enter(automatic_promotion=on))
        self.aborts.toggled.connect(lambda on: enter(automatic_abort=on))
        self.customers.valueChanged.connect(lambda v: enter(customers=v))
        self.per_day.valueChanged.connect(lambda v: enter(per_day=v))
        self.why.textChanged.connect(lambda text: enter(why=text))
        back.clicked.connect(presenter.leave_start)
        self.begin.clicked.connect(presenter.start_rollout)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self._presenter
        form, plan = presenter.form, presenter.plan
        self.begin.setEnabled(plan is not None and not presenter.busy and presenter.error is None)
        if form is None or plan is None:
            return
        self._fill(form)
        self.forecast.setText(forecast_text(plan))
        steps = [
            (
                s.name,
                tr("{minimum_customers} customers, {minimum_days} d").format(
                    minimum_customers=whole(s.minimum_customers),
                    minimum_days=figure(s.minimum_days),
                ),
            )
            for s in plan.stages
        ]
        self.ladder.show_steps([*steps, ("all", tr("when proven"))], -1, "running")
        gates = [METRICS[g.metric] for g in plan.gates if g.role == "gate"]
        rails = [METRICS[g.metric] for g in plan.gates if g.role == "guardrail"]
        self.proofs.setText(
            tr(
                "Must be proven: {gates}. Guarded: {rails}. Attempt {attempt} of "
                "{challenger} against {champion}."
            ).format(
                gates=", ".join(gates),
                rails=", ".join(rails),
                attempt=plan.attempt,
                challenger=plan.challenger,
                champion=plan.champion,
            )
        )

    def _fill(self, form: StartForm) -> None:
        box = self.challenger
        with QSignalBlocker(box):
            if [box.itemText(i) for i in range(box.count())] != list(self._presenter.versions):
                box.clear()
                box.addItems(list(self._presenter.versions))
            box.setCurrentText(form.challenger)
        for number, value in (
            (self.tolerance, form.tolerance),
            (self.gain, form.expected_gain),
            (self.spread, form.expected_sd),
            (self.alpha_promote, form.alpha_promote * 100),
            (self.alpha_abort, form.alpha_abort * 100),
            (self.per_day, form.per_day),
        ):
            with QSignalBlocker(number):
                number.setValue(value)
        with QSignalBlocker(self.customers):
            self.customers.setValue(form.customers)
        for check, on in (
            (self.promotes, form.automatic_promotion),
            (self.aborts, form.automatic_abort),
        ):
            with QSignalBlocker(check):
                check.setChecked(on)
        if self.why.text() != form.why:
            with QSignalBlocker(self.why):
                self.why.setText(form.why)
