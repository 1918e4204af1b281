"""One customer's timeline, a date that is dragged, and the values as of it."""

from __future__ import annotations

from PySide6.QtCore import QDate, QSignalBlocker
from PySide6.QtWidgets import (
    QComboBox,
    QDateEdit,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.features.presenter import FeaturesPresenter
from churnkit_desktop.screens.features.state import (
    midnight,
    plain_meaning,
    rows_of,
    shown_value,
    split_at,
)
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.layout import label
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import plural, whole


class CustomerPage(QWidget):
    """Binds to the presenter's customer."""

    def __init__(self, presenter: FeaturesPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._presenter = presenter
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 14, 14, 14)
        column.setSpacing(10)
        bar = QHBoxLayout()
        self.customer = QComboBox()
        self.customer.setEditable(True)
        self.customer.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.customer.setAccessibleName(tr("Customer"))
        self.customer.setMinimumContentsLength(18)
        self.date = QDateEdit()
        self.date.setCalendarPopup(True)
        self.date.setDisplayFormat("yyyy-MM-dd")
        self.date.setAccessibleName(tr("Values as of"))
        self.about = label("", "faint")
        bar.addWidget(label(tr("Customer")))
        bar.addWidget(self.customer)
        bar.addWidget(label(tr("as of")))
        bar.addWidget(self.date)
        bar.addWidget(self.about, 1)
        column.addLayout(bar)
        self.chart = Chart(theme, "timeline", x_label=tr("time"), y_label="", time=True)
        column.addWidget(self.chart)
        column.addWidget(
            label(tr("Drag the upright line, or choose a date: the values below follow."), "faint")
        )
        self.values = RowsModel(
            (
                Column(tr("Feature")),
                Column(tr("Value"), number=True),
                Column(tr("Before"), number=True, hint=tr("At the date before this one.")),
                Column(tr("Facts"), whole, number=True, hint=tr("Facts that counted.")),
                Column(tr("What it is")),
                Column(tr("Where it came from")),
            )
        )
        self.table = Table(tr("Values as of the date"), self.values)
        column.addWidget(self.table, 1)
        self.customer.activated.connect(lambda _i: self._chosen())
        line = self.customer.lineEdit()
        assert line is not None
        line.textEdited.connect(presenter.search)
        line.returnPressed.connect(self._chosen)
        self.date.dateChanged.connect(self._dated)
        presenter.customer_changed.connect(self.show_customer)
        presenter.values_changed.connect(self.show_values)

    def show_customer(self) -> None:
        """Draw the timeline, and who may be chosen."""
        presenter = self._presenter
        line = self.customer.lineEdit()
        assert line is not None
        typing = line.hasFocus() and line.isModified()
        with QSignalBlocker(self.customer), QSignalBlocker(line):
            typed = line.text()
            self.customer.clear()
            for name, n in presenter.found:
                self.customer.addItem(f"{name}  ({plural(n, 'event')})", name)
            self.customer.setEditText(typed if typing else presenter.customer)
        timeline = presenter.timeline
        if timeline is None:
            return
        rows = rows_of(timeline)
        self.chart.ticks([(float(i), what) for i, what in enumerate(rows)], side="left")
        self.chart.look_at(-0.8, len(rows) - 0.2)
        # As high as its rows need, so that the values below have the room.
        self.chart.setFixedHeight(min(190 + 26 * len(rows), 380))
        self.about.setText(
            tr("{n_events}, times in {zone}").format(
                n_events=plural(timeline.n_events, "event"), zone=timeline.zone
            )
        )
        self.chart.reset()
        self.show_values()

    def show_values(self) -> None:
        """Draw the date, what counts at it, and the values."""
        presenter = self._presenter
        timeline, as_of = presenter.timeline, presenter.as_of
        if timeline is None or as_of is None:
            return
        split = split_at(timeline, as_of)
        for name, facts, colour, symbol in (
            (tr("known at the date"), split.known, 0, "o"),
            (tr("later"), split.later, -1, "x"),
        ):
            x, y, texts = zip(*facts, strict=True) if facts else ((), (), ())
            self.chart.points(name, x, y, texts, colour=colour, symbol=symbol)
        self.chart.slider(tr("as of"), as_of.timestamp(), presenter.look_from)
        with QSignalBlocker(self.date):
            self.date.setDate(QDate(as_of.year, as_of.month, as_of.day))
        values, before = presenter.values, presenter.before
        if values is None:
            self.values.fill([])
            return
        old = {one.name: one.value for one in before.values} if before else {}
        self.values.fill(
            [
                (
                    one.name,
                    shown_value(one.value),
                    shown_value(old[one.name])
                    if one.name in old and old[one.name] != one.value
                    else None,
                    one.counted,
                    plain_meaning(one.meaning),
                    ", ".join(one.grounds),
                )
                for one in values.values
            ]
        )
        if not self.table.property("fitted"):
            self.table.fit_columns()
            self.table.setProperty("fitted", True)

    def _chosen(self) -> None:
        line = self.customer.lineEdit()
        assert line is not None
        place = self.customer.findText(line.text())
        name = self.customer.itemData(place) if place >= 0 else line.text().strip()
        line.setModified(False)
        if name:
            self._presenter.choose(str(name))

    def _dated(self, day: QDate) -> None:
        timeline = self._presenter.timeline
        if timeline is not None:
            python = day.toPython()
            self._presenter.set_as_of(midnight(python, timeline.zone))  # type: ignore[arg-type]
