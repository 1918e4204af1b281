"""Tables: small ones from rows in memory; cells can be copied to a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from churnkit_desktop.language import tr
from churnkit_desktop.theme.style import numbers_font

Index = QModelIndex | QPersistentModelIndex
ROW_HEIGHT = 30
_AIR = 10


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    title : what stands above it
    show : a cell's value as text
    number : right-aligned, figures of equal width
    hint : explains the column when the mouse rests on its title
    """

    title: str
    show: Callable[[Any], str] = str
    number: bool = False
    hint: str = ""


class RowsModel(QAbstractTableModel):
    """Rows that are all in memory; sorted by the values, not by their text."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.rows: list[tuple[Any, ...]] = []
        self._font: Any = None

    def fill(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Show these rows."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's names
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            value = self.rows[index.row()][index.column()]
            return "" if value is None else column.show(value)
        if role == Qt.ItemDataRole.ToolTipRole and not column.number:
            # A narrow column cuts long words off.
            return self.data(index) or None
        return self.style_of(column, role)

    def style_of(self, column: Column, role: int) -> Any:
        """How the cells of a column stand."""
        if role == Qt.ItemDataRole.TextAlignmentRole and column.number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.FontRole and column.number:
            if self._font is None:
                self._font = numbers_font(QGuiApplication.font())
            return self._font
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return str(section + 1) if role == Qt.ItemDataRole.DisplayRole else None
        column = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.hint or None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if column.number else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self.layoutAboutToBeChanged.emit()
        self.rows.sort(
            key=lambda row: (row[column] is None, row[column]),
            reverse=order == Qt.SortOrder.DescendingOrder,
        )
        self.layoutChanged.emit()


class Table(QTableView):
    """A table that one walks through with the keyboard and copies from.

    Parameters
    ----------
    name : for screen readers
    model : its rows
    """

    def __init__(self, name: str, model: QAbstractTableModel, *, sorts: bool = False) -> None:
        super().__init__()
        self.setModel(model)
        self.setAccessibleName(name)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        # Heights are equal: Qt need not ask every row of a million.
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setStretchLastSection(True)
        self.horizontalHeader().setMinimumSectionSize(60)
        if sorts:
            self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            self.setSortingEnabled(True)
        self._copy = QAction(tr("Copy"), self)
        self._copy.setShortcut(QKeySequence.StandardKey.Copy)
        self._copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self._copy.triggered.connect(self.copy)
        self.addAction(self._copy)
        self._most_rows = 0
        self.horizontalScrollBar().rangeChanged.connect(lambda _low, _high: self._grow())
        self.extra: list[QAction] = []
        """More entries of the context menu."""
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)

    def copy(self) -> None:
        """Copy the selected cells, with the titles, as a spreadsheet pastes them."""
        QGuiApplication.clipboard().setText(self.selected_text())

    def selected_text(self) -> str:
        """The selected rows as lines of cells with tabs between them."""
        model = self.model()
        chosen = sorted({index.row() for index in self.selectionModel().selectedRows()})
        columns = [i for i in range(model.columnCount()) if not self.isColumnHidden(i)]
        show = Qt.ItemDataRole.DisplayRole
        head = [model.headerData(i, Qt.Orientation.Horizontal, show) for i in columns]
        lines = [head] + [[model.index(r, i).data(show) for i in columns] for r in chosen]
        return "\n".join(
            "\t".join(" ".join(str(cell or "").split()) for cell in line) for line in lines
        )

    def fit_columns(self) -> None:
        """As wide as what is in them, with air between."""
        columns = getattr(self.model(), "columns", ())
        # A number at the far edge of a wide screen is hard to read with its row.
        self.horizontalHeader().setStretchLastSection(not (columns and columns[-1].number))
        self.resizeColumnsToContents()
        for i in range(self.model().columnCount()):
            self.setColumnWidth(i, min(self.columnWidth(i) + _AIR, 420))

    def fit_rows(self, most: int = 14) -> None:
        """As high as its rows, up to a number of them; then it scrolls."""
        self._most_rows = most
        self._grow()

    def _grow(self) -> None:
        """As high as its rows, and the scroll bar below them where there is one."""
        if not self._most_rows:
            return
        n = min(self.model().rowCount(), self._most_rows)
        bar = self.horizontalScrollBar()
        below = bar.sizeHint().height() if bar.maximum() > 0 else 0
        frame = 2 * self.frameWidth() + 2
        head = self.horizontalHeader().sizeHint().height()
        self.setFixedHeight(head + n * ROW_HEIGHT + frame + below)

    def _menu(self, position: Any) -> None:
        menu = QMenu(self)
        menu.addAction(self._copy)
        everything = menu.addAction(tr("Select all"))
        everything.triggered.connect(self.selectAll)
        if self.extra:
            menu.addSeparator()
            menu.addActions(self.extra)
        menu.exec(self.viewport().mapToGlobal(position))
        menu.deleteLater()
