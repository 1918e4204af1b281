"""The fields of one arm of a planned experiment."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QComboBox, QGridLayout, QLineEdit

from churnkit_desktop.language import tr
from churnkit_desktop.screens.experiments.presenter import ExperimentsPresenter
from churnkit_desktop.screens.experiments.state import Arm
from churnkit_desktop.widgets.number_box import number_box
from churnkit_desktop.words import suffix


class ArmRow:
    """The fields of one arm, in a row of the grid."""

    def __init__(self, presenter: ExperimentsPresenter, grid: QGridLayout, place: int) -> None:
        self.name, self.offer = QLineEdit(), QLineEdit()
        self.model = QComboBox()
        unit = suffix(presenter.desk.currency)
        self.weight, self.cost = (
            number_box(0.1, 99.9, 1, suffix=" %"),
            number_box(0, 1_000_000, 2, suffix=unit),
        )
        number = place + 1
        for widget, title in (
            (self.name, tr("Name")),
            (self.weight, tr("Share")),
            (self.offer, tr("Offer")),
            (self.model, tr("Model")),
            (self.cost, tr("Cost")),
        ):
            widget.setAccessibleName(
                tr("{title} of arm {number}").format(title=title, number=number)
            )
        grid.addWidget(self.name, number, 0)
        grid.addWidget(self.weight, number, 1)
        grid.addWidget(self.offer, number, 2)
        grid.addWidget(self.model, number, 2)
        grid.addWidget(self.cost, number, 3)
        edit = presenter.edit_arm
        self.name.editingFinished.connect(lambda: edit(place, name=self.name.text()))
        self.offer.editingFinished.connect(lambda: edit(place, gets=self.offer.text()))
        self.model.activated.connect(lambda _i: edit(place, gets=self.model.currentText()))
        self.weight.valueChanged.connect(lambda v: edit(place, weight=round(v / 100, 6)))
        self.cost.valueChanged.connect(lambda v: edit(place, cost=v))
        self._control = place == 0

    def show_arm(self, arm: Arm | None, kind: str, versions: list[str]) -> None:
        """Show an arm; None: there is none in this row."""
        models = kind == "models"
        for widget in (self.name, self.weight, self.cost):
            widget.setVisible(arm is not None)
        self.offer.setVisible(arm is not None and not models)
        self.model.setVisible(arm is not None and models)
        if arm is None:
            return
        for line, text in ((self.name, arm.name), (self.offer, arm.gets)):
            if not line.hasFocus():
                line.setText(text)
        self.offer.setEnabled(not self._control)
        self.offer.setPlaceholderText(
            tr("nothing (the control)") if self._control else tr("an offer")
        )
        for box, value in ((self.weight, arm.weight * 100), (self.cost, arm.cost)):
            with QSignalBlocker(box):
                box.setValue(value)
        with QSignalBlocker(self.model):
            if [self.model.itemText(i) for i in range(self.model.count())] != versions:
                self.model.clear()
                self.model.addItems(versions)
            self.model.setCurrentText(arm.gets)
