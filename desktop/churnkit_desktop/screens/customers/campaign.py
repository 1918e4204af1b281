"""Whom does it pay to contact? The profit curve, its terms, and the list."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QWidget,
)

from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.customers.presenter import CustomersPresenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.layout import Card, label
from churnkit_desktop.words import money, percent, whole, with_unit

_TERMS = (
    ("customer_value", tr("A customer is worth"), tr("Profit that is lost when he leaves.")),
    ("contact_cost", tr("A contact costs"), ""),
    ("offer_cost", tr("The offer costs"), tr("Only when it is accepted.")),
    ("success_rate", tr("The offer keeps"), tr("Of those who would leave, in percent.")),
)


class CampaignPanel(Card):
    """Binds to the presenter's campaign."""

    def __init__(self, presenter: CustomersPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Whom does it pay to contact?"), parent=parent)
        self._presenter = presenter
        line = QHBoxLayout()
        self.body.addLayout(line)
        form = QFormLayout()
        line.addLayout(form)
        self.terms: dict[str, QDoubleSpinBox] = {}
        for name, title, hint in _TERMS:
            box = QDoubleSpinBox()
            box.setToolTip(hint)
            box.setKeyboardTracking(False)
            box.setMinimumWidth(130)
            if name == "success_rate":
                box.setRange(0.1, 100)
                box.setSuffix(" %")
            else:
                box.setRange(0, 10_000_000)
            box.valueChanged.connect(lambda value, name=name: self._set(name, value))
            form.addRow(title, box)
            self.terms[name] = box
        self.best = label("", wrap=True)
        form.addRow(self.best)
        self.count = QSpinBox()
        self.count.setRange(1, 100_000_000)
        self.count.setAccessibleName(tr("Customers in the list"))
        export = QPushButton(tr("Export the list …"))
        export.clicked.connect(self._export)
        form.addRow(tr("The riskiest"), self.count)
        form.addRow(export)
        self.chart = Chart(
            theme,
            "campaign",
            x_label=tr("customers contacted, the riskiest first"),
            y_label=with_unit(tr("expected profit"), presenter.desk.currency),
        )
        line.addWidget(self.chart, 1)
        self._touched = False
        self.count.valueChanged.connect(lambda _n: setattr(self, "_touched", True))
        presenter.campaign_changed.connect(self.show_state)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        campaign, terms = self._presenter.campaign, self._presenter.money
        if campaign is None or terms is None:
            return
        for name, box in self.terms.items():
            box.blockSignals(True)
            value = getattr(terms, name)
            if name == "success_rate":
                box.setValue(value * 100)
            else:
                box.setSuffix(f" {terms.currency}")
                box.setValue(value)
            box.blockSignals(False)
        # An offer that costs as much as the customer is worth never pays.
        self.terms["offer_cost"].setMaximum(max(terms.customer_value - 0.01, 0))
        self.chart.line(tr("expected profit"), campaign.contacted, campaign.profit)
        self.chart.level("best", campaign.best_n, upright=True, text="best")
        if campaign.best_n:
            self.best.setText(
                tr(
                    "Best: contact the {best_n} riskiest (from {threshold} "
                    "on).\nExpected profit {best_profit}, as far as the model is right."
                ).format(
                    best_n=whole(campaign.best_n),
                    threshold=percent(campaign.threshold),
                    best_profit=money(campaign.best_profit, terms.currency),
                )
            )
        else:
            self.best.setText(tr("With these terms no contact pays."))
        if not self._touched:
            self.count.blockSignals(True)
            self.count.setValue(max(campaign.best_n, 1))
            self.count.blockSignals(False)

    def _set(self, name: str, value: float) -> None:
        self._presenter.set_money(**{name: value / 100 if name == "success_rate" else value})

    def _export(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, tr("Export the list"), "contacts.csv", tr("CSV (*.csv)")
        )
        if name:
            self._presenter.export_top(name, self.count.value())
