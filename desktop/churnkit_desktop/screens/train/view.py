"""Candidates, live progress and curves, cancel."""

from __future__ import annotations

from PySide6.QtWidgets import QFormLayout, QLineEdit, QPushButton, QSpinBox, QWidget

from churnkit_desktop.backend.facts import ModelDetail
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.train.presenter import TrainPresenter
from churnkit_desktop.screens.train.state import Tried
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import decimals, estimate, whole


class TrainView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: TrainPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Train"), parent)
        self.presenter = presenter
        self.subtitle.setText(
            tr(
                "Several kinds of models are tried by cross-validation; the best "
                "is judged once, on customers it never saw. The first model "
                "serves; later ones wait as challengers."
            )
        )
        self.start_button = QPushButton(tr("Train"))
        self.start_button.setObjectName("primary")
        self.start_button.clicked.connect(presenter.begin)
        self.buttons.addWidget(self.start_button)
        self.banner = Banner()
        self.banner.offer(tr("Start again"), presenter.begin)
        self.job_card = JobCard(presenter.cancel)
        self.above.addWidget(self.banner)
        self.above.addWidget(self.job_card)
        card = Card(tr("How long, and why"), self.body)
        form = QFormLayout()
        form.setHorizontalSpacing(18)
        self.budget = QSpinBox()
        self.budget.setRange(5, 24 * 3600)
        self.budget.setSuffix(" seconds")
        self.budget.setValue(presenter.budget)
        self.budget.setMaximumWidth(180)
        self.budget.valueChanged.connect(presenter.set_budget)
        self.why = QLineEdit(presenter.why)
        self.why.setPlaceholderText(tr("for the journal, such as “March data” (may be empty)"))
        self.why.textChanged.connect(presenter.set_why)
        form.addRow(tr("Search for"), self.budget)
        form.addRow(tr("Reason"), self.why)
        card.body.addLayout(form)
        self.search = Card(tr("The search"), self.body)
        self.chart = Chart(
            theme, "search", x_label=tr("models tried"), y_label=tr("log loss (lower is better)")
        )
        self.chart.setFixedHeight(250)
        self.search.body.addWidget(self.chart)
        self.trials = RowsModel(
            (
                Column(tr("Model"), lambda name: name.replace("_", " ")),
                Column(tr("ROC AUC"), decimals(4), number=True),
                Column(
                    tr("Log loss"),
                    decimals(4),
                    number=True,
                    hint=tr("The search chooses the lowest."),
                ),
                Column(tr("Seconds"), decimals(1), number=True),
            )
        )
        self.table = Table(tr("Models tried"), self.trials, sorts=True)
        self.search.body.addWidget(self.table)
        self.result = Card(tr("The model"), self.body)
        self.result_text = label("", wrap=True)
        self.compare = QPushButton(tr("Look at it, and compare"))
        self.compare.clicked.connect(self._compare)
        self.result.body.addWidget(self.result_text)
        self.result.body.addWidget(self.compare)
        self.body.addStretch(1)
        presenter.changed.connect(self.show_state)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        job = presenter.job
        running = bool(job and job.running)
        if presenter.interrupted is not None:
            self.banner.show_notice(
                tr("A training was interrupted when the console ended."),
                tr("No model was admitted, nothing is half-written."),
            )
        else:
            self.banner.show_error(presenter.error)
        self.job_card.show_job(job)
        self.start_button.setEnabled(not running)
        self.budget.setEnabled(not running)
        if self.why.text() != presenter.why:
            self.why.setText(presenter.why)
        trials = self._trials()
        self.search.setVisible(bool(trials))
        if trials and len(trials) != len(self.trials.rows):
            self._draw(trials)
        made = presenter.made
        self.result.setVisible(made is not None and not running)
        if made is not None:
            metrics = made.version.metrics
            held = f" ({', '.join(made.aliases)})" if made.aliases else ""
            self.result.heading.setText(
                tr("The model {version}{held}").format(version=made.version.version, held=held)
            )
            self.result_text.setText(
                tr(
                    "{value}, judged on {made}customers it never saw:\nROC AUC "
                    "{roc_auc}\nBrier score {brier}\nShare by segment and money: on the "
                    "next screen."
                ).format(
                    value=made.version.candidate.replace("_", " "),
                    made=_tested(made),
                    roc_auc=estimate(metrics["roc_auc"]),
                    brier=estimate(metrics["brier"]),
                )
            )

    def _trials(self) -> list[Tried]:
        presenter = self.presenter
        if presenter.job is not None and (presenter.job.running or presenter.news.trials):
            return presenter.news.trials
        if presenter.made is None or presenter.made.record is None:
            return []
        return [
            Tried(trial.candidate, trial.roc_auc, trial.log_loss, trial.seconds)
            for trial in presenter.made.record.trials
        ]

    def _draw(self, trials: list[Tried]) -> None:
        self.trials.fill([(t.candidate, t.roc_auc, t.log_loss, t.seconds) for t in trials])
        self.table.fit_columns()
        self.table.fit_rows(10)
        names = list(dict.fromkeys(trial.candidate for trial in trials))
        best, lowest = [], float("inf")
        for trial in trials:
            lowest = min(lowest, trial.log_loss)
            best.append(lowest)
        for colour, name in enumerate(names):
            here = [(i + 1, t.log_loss) for i, t in enumerate(trials) if t.candidate == name]
            x, y = zip(*here, strict=True)
            self.chart.line(name.replace("_", " "), x, y, colour=colour, dots=True, style="dot")
        self.chart.line(tr("best so far"), range(1, len(best) + 1), best, colour=6)

    def _compare(self) -> None:
        if self.presenter.made is not None:
            self.presenter.desk.go("models", self.presenter.made.version.version)


def _tested(made: ModelDetail) -> str:
    return f"{whole(made.record.n_test)} " if made.record is not None else ""


def make(desk: Desk, theme: Theme, parent: QWidget) -> TrainView:
    """The screen."""
    return TrainView(TrainPresenter(desk), theme, parent)
