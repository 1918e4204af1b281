"""One customer beside the table: why, what was said before, and what if."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.language import tr
from churnkit_desktop.screens.customers.presenter import CustomersPresenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.form import RowForm
from churnkit_desktop.widgets.layout import Card, label
from churnkit_desktop.widgets.reasons import ReasonBars
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import day, percent, points


class DetailPanel(Card):
    """Binds to the presenter's detail; hidden while no customer is chosen."""

    def __init__(self, presenter: CustomersPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent=parent)
        self._presenter = presenter
        self._shown = ""
        self.setMinimumWidth(380)
        head = QHBoxLayout()
        self.body.addLayout(head)
        self.name = label("", "heading")
        close = QPushButton("✕")
        close.setAccessibleName(tr("Close the detail"))
        close.setFixedWidth(36)
        close.clicked.connect(presenter.close_detail)
        head.addWidget(self.name, 1)
        head.addWidget(close)
        self.figure = label("", "figure")
        self.text = label("", "faint", wrap=True)
        self.body.addWidget(self.figure)
        self.body.addWidget(self.text)
        self.tabs = QTabWidget()
        self.body.addWidget(self.tabs, 1)
        self.reasons = ReasonBars(theme)
        self.tabs.addTab(_scrolled(self.reasons), tr("Why"))
        self.history = RowsModel(
            (
                Column(tr("When"), day),
                Column(tr("Probability"), percent, number=True),
                Column(tr("Risk")),
                Column(tr("Model")),
            )
        )
        self.history_table = Table(tr("Earlier predictions"), self.history)
        self.form = RowForm(presenter.change)
        what_if = QWidget()
        self.tabs.addTab(what_if, tr("What if"))
        column = QVBoxLayout(what_if)
        self.what_if_text = label("", "faint", wrap=True)
        column.addWidget(self.what_if_text)
        column.addWidget(_scrolled(self.form), 1)
        self.undo = QPushButton(tr("Back to the customer as recorded"))
        self.undo.clicked.connect(self._undo)
        column.addWidget(self.undo)
        self.tabs.addTab(self.history_table, tr("History"))
        presenter.detail_changed.connect(self.show_state)
        self.hide()

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self._presenter
        detail = presenter.detail
        self.setVisible(detail is not None)
        if detail is None:
            self._shown = ""
            return
        now = detail.explanation
        shown = presenter.what_if or now
        self.name.setText(now.customer_id)
        self.figure.setText(percent(shown.probability))
        words = [
            tr("{risk_band} risk, says {model_version}").format(
                risk_band=shown.risk_band, model_version=shown.model_version
            )
        ]
        if presenter.what_if is not None:
            gap = shown.probability - now.probability
            words = [
                tr("if so; {gap} points against {probability} as it is").format(
                    gap=points(gap), probability=percent(now.probability)
                )
            ]
        words += list(shown.notes)
        self.text.setText("\n".join(words))
        self.reasons.show_explanation(shown)
        if self._shown != now.customer_id:
            self._shown = now.customer_id
            self.form.fill(presenter.fields, detail.row)
        self.what_if_text.setText(
            detail.why_no_what_if
            or tr("Change a value and see what the model would say. Nothing is saved.")
        )
        self.form.setVisible(not detail.why_no_what_if)
        self.undo.setVisible(not detail.why_no_what_if)
        self.undo.setEnabled(bool(presenter.changes))
        self.history.fill(
            [(p.made_at, p.probability, p.risk_band, p.model_version) for p in detail.history]
        )
        self.history_table.fit_columns()

    def _undo(self) -> None:
        self._presenter.undo_changes()
        detail = self._presenter.detail
        if detail is not None:
            self.form.fill(self._presenter.fields, detail.row)


def _scrolled(widget: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    inner = QWidget()
    around = QVBoxLayout(inner)
    around.setContentsMargins(10, 8, 10, 8)
    around.addWidget(widget)
    around.addStretch(1)
    area.setWidget(inner)
    return area
