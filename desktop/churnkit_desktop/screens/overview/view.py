"""The first screen."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from churnkit_desktop.backend.facts import Overview
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.overview.presenter import OverviewPresenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.bands import BandBar
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, clear, label, row
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import ago, day, estimate, percent, whole

_REASON = 3
"""The column of reasons; a model that gives none in a batch has an empty one."""


class OverviewView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: OverviewPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Overview"), parent)
        self.presenter = presenter
        self.banner = Banner()
        self.above.addWidget(self.banner)
        self.report = QPushButton(tr("Report for management"))
        self.report.setToolTip(tr("Question, data, quality, who, why, money, risks: HTML and PDF."))
        self.report.clicked.connect(presenter.write_report)
        self.buttons.addWidget(self.report)
        self.job_card = JobCard(presenter.cancel)
        self.above.addWidget(self.job_card)
        self.ready = Banner()
        self.ready.offer(tr("Open"), self._open_report)
        self.above.addWidget(self.ready)
        self.needs = Card(tr("What needs you"), self.body)
        self.risk, self.model = Card(tr("Who is at risk")), Card(tr("Who decides"))
        self.bar = BandBar(theme)
        self.risk_text = label("", "faint", wrap=True)
        self.risk.body.addWidget(self.bar)
        self.risk.body.addWidget(self.risk_text)
        self.model_name = label("", "figure")
        self.model_text = label("", "faint", wrap=True)
        self.model.body.addWidget(self.model_name)
        self.model.body.addWidget(self.model_text)
        for card in (self.risk, self.model):
            card.body.addStretch(1)
        self.body.addLayout(row(self.risk, self.model))
        top = self.top = Card(tr("The riskiest customers"), self.body)
        self.riskiest = RowsModel(
            (
                Column(tr("Customer")),
                Column(tr("Probability of leaving"), percent, number=True),
                Column(tr("Risk")),
                Column(tr("Strongest reason")),
            )
        )
        self.table = Table(tr("The riskiest customers"), self.riskiest)
        self.table.activated.connect(
            lambda index: presenter.desk.go("customers", self.riskiest.rows[index.row()][0])
        )
        top.body.addWidget(self.table)
        changes = self.changes_card = Card(tr("What changed"), self.body)
        self.changes = RowsModel(
            (Column(tr("When"), day), Column(tr("What")), Column(tr("Who")), Column(tr("Why")))
        )
        self.changes_table = Table(tr("What changed"), self.changes)
        changes.body.addWidget(self.changes_table)
        self.body.addStretch(1)
        presenter.changed.connect(self.show_state)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        self.banner.show_error(self.presenter.error)
        facts, job = self.presenter.facts, self.presenter.job
        self.job_card.show_job(job)
        files = self.presenter.report_files
        self.ready.show_notice(tr("The report is ready.") if files else "", "\n".join(files))
        self.report.setEnabled(
            facts is not None and facts.champion is not None and not (job and job.running)
        )
        if facts is None:
            self.subtitle.setText(tr("Reading …"))
            return
        customers = (
            tr("{n_customers} rows from ").format(n_customers=whole(facts.n_customers))
            if facts.n_customers
            else ""
        )
        self.subtitle.setText(f"{facts.name}: {customers}{facts.source}")
        self._show_needs(facts)
        self._show_risk(facts)
        self._show_model(facts)
        self.riskiest.fill(
            [(c.customer_id, c.probability, c.risk_band, c.reason) for c in facts.riskiest]
        )
        self.table.fit_columns()
        self.table.setColumnHidden(_REASON, not any(c.reason for c in facts.riskiest))
        self.table.fit_rows()
        self.top.setVisible(bool(facts.riskiest))
        self.changes.fill(
            [
                (e.at, f"{e.action} {e.version or '–'} ({e.alias})", e.who, e.why)
                for e in facts.recent
            ]
        )
        self.changes_table.fit_columns()
        self.changes_table.fit_rows()
        self.changes_card.setVisible(bool(facts.recent))

    def _open_report(self) -> None:
        files = self.presenter.report_files
        if files:
            QDesktopServices.openUrl(QUrl.fromLocalFile(files[0]))

    def _show_needs(self, facts: Overview) -> None:
        clear(self.needs.body, keep=1)
        if not facts.needs:
            self.needs.body.addWidget(label(tr("Nothing: all is well."), "faint"))
        for need in facts.needs:
            line = QWidget()
            parts = QHBoxLayout(line)
            parts.setContentsMargins(0, 0, 0, 0)
            parts.addWidget(label(need.text, wrap=True), 1)
            button = QPushButton(need.button)
            button.setObjectName("primary")
            button.clicked.connect(
                lambda _=False, screen=need.screen: self.presenter.desk.go(screen, "")
            )
            parts.addWidget(button)
            self.needs.body.addWidget(line)

    def _show_risk(self, facts: Overview) -> None:
        self.bar.show_bands(facts.bands)
        if facts.scored_at is None:
            self.risk_text.setText(tr("Nobody has been scored yet."))
        else:
            self.risk_text.setText(
                tr("{n_scored} customers, scored {scored_at}.").format(
                    n_scored=whole(facts.n_scored), scored_at=ago(facts.scored_at)
                )
            )

    def _show_model(self, facts: Overview) -> None:
        champion = facts.champion
        self.model_name.setText(champion.version if champion else "–")
        if champion is None:
            self.model_text.setText(tr("No model yet."))
            return
        auc, brier = champion.metrics.get("roc_auc"), champion.metrics.get("brier")
        lines = [
            tr("{value}, trained {created_at}").format(
                value=champion.candidate.replace("_", " "), created_at=ago(champion.created_at)
            )
        ]
        if auc is not None:
            lines.append(tr("ROC AUC {auc}").format(auc=estimate(auc)))
        if brier is not None:
            lines.append(tr("Brier score {brier}").format(brier=estimate(brier)))
        if facts.challenger is not None:
            lines.append(tr("Challenger: {version}").format(version=facts.challenger.version))
        self.model_text.setText("\n".join(lines))


def make(desk: Desk, theme: Theme, parent: QWidget) -> OverviewView:
    """The screen."""
    return OverviewView(OverviewPresenter(desk), theme, parent)
