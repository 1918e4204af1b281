"""Definitions in a table with an editor; one customer's values as of a date."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.backend.feature_facts import Definition
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.features.customer_page import CustomerPage
from churnkit_desktop.screens.features.editor import Editor
from churnkit_desktop.screens.features.presenter import FeaturesPresenter
from churnkit_desktop.screens.features.state import AGGREGATES, FIGURES, KINDS, filter_text
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import ScreenFrame
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import plural, whole

_COLUMNS = (
    Column(tr("Name")),
    Column(tr("Aggregate")),
    Column(tr("Of")),
    Column(tr("Window"), lambda days: f"{days} d", number=True),
    Column(tr("Filter")),
)


class FeaturesView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: FeaturesPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Features"), parent, scrolls=False)
        self.presenter = presenter
        self.suggest, self.save = QPushButton(tr("Suggest …")), QPushButton(tr("Save"))
        self.discard = QPushButton(tr("Discard edits"))
        self.save.setObjectName("primary")
        for button in (self.suggest, self.discard, self.save):
            self.buttons.addWidget(button)
        self.banner = Banner()
        self.above.addWidget(self.banner)
        self.tabs = QTabWidget()
        self.tabs.setAccessibleName(tr("Definitions or one customer"))
        self.body.addWidget(self.tabs, 1)
        page = QWidget()
        self.tabs.addTab(page, tr("Definitions"))
        self._definitions(page)
        self.customer_page = CustomerPage(presenter, theme, self.tabs)
        self.tabs.addTab(self.customer_page, tr("One customer"))
        self.tabs.setCurrentIndex(int(presenter.draft("tab", 0)))
        self.tabs.currentChanged.connect(lambda i: presenter.keep("tab", i))
        self.suggest.clicked.connect(self._suggest)
        self.save.clicked.connect(presenter.save)
        self.discard.clicked.connect(presenter.discard)
        presenter.changed.connect(self.show_state)

    def _definitions(self, page: QWidget) -> None:
        column = QVBoxLayout(page)
        column.setContentsMargins(14, 14, 14, 14)
        bar = QHBoxLayout()
        self.add, self.remove = QPushButton(tr("Add")), QPushButton(tr("Remove"))
        self.undo, self.redo = QPushButton(tr("Undo")), QPushButton(tr("Redo"))
        for button in (self.add, self.remove, self.undo, self.redo):
            bar.addWidget(button)
        bar.addStretch(1)
        column.addLayout(bar)
        self.rows = RowsModel(_COLUMNS)
        self.table = Table(tr("Definitions of features"), self.rows)
        remove = QAction(tr("Remove"), self.table)
        remove.setShortcut(QKeySequence.StandardKey.Delete)
        remove.triggered.connect(self.presenter.remove)
        self.table.addAction(remove)
        self.table.extra.append(remove)
        split = QSplitter()
        column.addWidget(split, 1)
        split.addWidget(self.table)
        self.editor = Editor(self.presenter, split)
        split.addWidget(self.editor)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setChildrenCollapsible(False)
        split.setSizes([760, 330])
        split.setHandleWidth(13)
        self.table.selectionModel().currentRowChanged.connect(
            lambda now, _before: self._selected(now.row())
        )
        self.add.clicked.connect(self.presenter.add)
        self.remove.clicked.connect(self.presenter.remove)
        self.undo.clicked.connect(self.presenter.undo)
        self.redo.clicked.connect(self.presenter.redo)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        if presenter.error is not None or presenter.problem is not None:
            self.banner.show_error(presenter.error or presenter.problem)
        else:
            self.banner.show_notice(presenter.said)
        facts = presenter.facts
        if facts is None:
            self.subtitle.setText("" if presenter.error else tr("Reading …"))
            return
        definitions = presenter.definitions
        state = tr("edited, not saved") if presenter.unsaved else tr("as in features.toml")
        self.subtitle.setText(
            tr("{definitions} ({state}) of {n_events} events of {n_customers} customers.").format(
                definitions=plural(len(definitions), "feature"),
                state=state,
                n_events=whole(facts.log.n_events),
                n_customers=whole(facts.log.n_customers),
            )
        )
        self.save.setEnabled(presenter.unsaved and presenter.problem is None and not presenter.busy)
        self.discard.setEnabled(presenter.unsaved)
        self.undo.setEnabled(bool(presenter.undoable))
        self.redo.setEnabled(bool(presenter.redoable))
        self.undo.setToolTip(
            tr("Undo: {undoable} (Ctrl+Z)").format(undoable=presenter.undoable)
            if presenter.undoable
            else ""
        )
        self.redo.setToolTip(
            tr("Redo: {redoable} (Ctrl+Shift+Z)").format(redoable=presenter.redoable)
            if presenter.redoable
            else ""
        )
        rows = [_row(one) for one in definitions]
        if rows != self.rows.rows:
            first = not self.rows.rows
            with QSignalBlocker(self.table.selectionModel()):
                self.rows.fill(rows)
            if first:
                self.table.fit_columns()
        names = [row[0] for row in rows]
        place = names.index(presenter.selected) if presenter.selected in names else -1
        if place != self.table.currentIndex().row():
            with QSignalBlocker(self.table.selectionModel()):
                if place >= 0:
                    self.table.selectRow(place)
                    self.table.scrollTo(self.rows.index(place, 0))
                else:
                    self.table.clearSelection()
            self.table.viewport().update()
        self.remove.setEnabled(place >= 0)
        self.editor.show_state()

    def _selected(self, row: int) -> None:
        if 0 <= row < len(self.rows.rows):
            name = str(self.rows.rows[row][0])
            if name != self.presenter.selected:
                self.presenter.select(name)

    def _suggest(self) -> None:
        if self.presenter.definitions:
            answer = QMessageBox.question(
                self,
                tr("Suggest features"),
                tr(
                    "churnkit looks at the log and proposes about 40 features. They "
                    "replace the definitions that are there now."
                ),
                QMessageBox.StandardButton.Ok | QMessageBox.StandardButton.Cancel,
            )
            if answer != QMessageBox.StandardButton.Ok:
                return
        self.presenter.suggest()


def _row(one: Definition) -> tuple[object, ...]:
    kind = str(one.get("kind", "event"))
    if kind == "event":
        what = AGGREGATES.get(str(one.get("aggregate", "")), "")
        of = ", ".join(filter(None, (str(one.get("column", "")), *one.get("event_types", ()))))
    elif kind in ("ratio", "trend"):
        parts = ("numerator", "denominator") if kind == "ratio" else ("recent", "base")
        what, of = KINDS[kind], " / ".join(str(one.get(part, "?")) for part in parts)
    else:
        figure = str(one.get("figure", ""))
        what, of = KINDS[kind], str(one.get("column", FIGURES.get(figure, figure)))
    return (one["name"], what, of, one.get("window_days"), filter_text(one.get("where", ())))


def make(desk: Desk, theme: Theme, parent: QWidget) -> FeaturesView:
    """The screen."""
    return FeaturesView(FeaturesPresenter(desk), theme, parent)
