"""A million rows for Qt: pages come when somebody scrolls there."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QGuiApplication

from churnkit_desktop.language import tr
from churnkit_desktop.screens.customers.presenter import CustomersPresenter
from churnkit_desktop.screens.customers.state import PAGE
from churnkit_desktop.theme.style import Theme, numbers_font
from churnkit_desktop.words import percent

Index = QModelIndex | QPersistentModelIndex
TITLES = {
    "customer_id": tr("Customer"),
    "probability": tr("Probability of leaving"),
    "risk_band": tr("Risk"),
    "reason_1": tr("Strongest reason"),
    "reason_2": tr("Second reason"),
    "reason_3": tr("Third reason"),
    "model_version": tr("Model"),
    "made_at": tr("Scored"),
}


class CustomersModel(QAbstractTableModel):
    """Shows the presenter's pages; a row that was not read yet shows dots.

    Parameters
    ----------
    presenter : has the pages
    theme : the colours of the risk bands
    """

    def __init__(self, presenter: CustomersPresenter, theme: Theme) -> None:
        super().__init__()
        self._presenter, self._theme = presenter, theme
        self.columns: tuple[str, ...] = ()
        self._n_rows = 0
        self._view = ""
        self._numbers = numbers_font(QGuiApplication.font())
        presenter.page_arrived.connect(self._page_arrived)

    def show_view(self) -> None:
        """Show the presenter's view, if it is another one than before."""
        view = self._presenter.view
        if view is None or view.name == self._view:
            return
        self.beginResetModel()
        self._view, self._n_rows, self.columns = view.name, view.n_rows, view.columns
        self.endResetModel()

    def customer_id(self, position: int) -> str:
        """Who is in a row; empty: not read yet."""
        row = self._presenter.row(position)
        return str(row[self.columns.index("customer_id")]) if row else ""

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's names
        return 0 if parent.isValid() else self._n_rows

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        column = self.columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and column == "probability":
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.FontRole and column == "probability":
            return self._numbers
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ForegroundRole):
            return None
        row = self._presenter.row(index.row())
        if row is None:
            return "…" if role == Qt.ItemDataRole.DisplayRole else None
        value = row[index.column()]
        if role == Qt.ItemDataRole.ForegroundRole:
            if column == "risk_band":
                return QColor(self._theme.tokens.band(str(value)))
            return None
        if value is None:
            return ""
        return percent(float(value), 2) if column == "probability" else str(value)  # type: ignore[arg-type]

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return TITLES.get(self.columns[section], self.columns[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if 0 <= column < len(self.columns):
            self._presenter.ask(
                sort=self.columns[column], descending=order == Qt.SortOrder.DescendingOrder
            )

    def _page_arrived(self) -> None:
        first = self._presenter.last_page * PAGE
        last = min(first + PAGE, self._n_rows) - 1
        if last >= first:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns) - 1))
