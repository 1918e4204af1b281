"""The list of screens at the left of the window."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, QSize, Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from churnkit_desktop.language import tr
from churnkit_desktop.screens.catalog import SCREENS, Entry
from churnkit_desktop.theme.icons import icon
from churnkit_desktop.theme.style import Theme

_WIDTH = 184


class Navigation(QListWidget):
    """One line for each screen.

    Parameters
    ----------
    theme : of the icons
    chosen : told the key of a screen that a person chose
    """

    def __init__(self, theme: Theme, chosen: Callable[[str], None]) -> None:
        super().__init__()
        self._theme, self._chosen = theme, chosen
        self.setObjectName("navigation")
        self.setAccessibleName(tr("Screens"))
        self.setFixedWidth(_WIDTH)
        self.setIconSize(QSize(20, 20))
        self.currentItemChanged.connect(self._changed)

    def fill(self) -> None:
        """List the screens anew."""
        with QSignalBlocker(self):
            self.clear()
            for entry in SCREENS:
                item = QListWidgetItem(entry.title)
                item.setData(Qt.ItemDataRole.UserRole, entry.key)
                item.setToolTip(entry.hint)
                self.addItem(item)
        self.repaint_icons()

    def mark(self, entry: Entry) -> None:
        """Show which screen is open."""
        with QSignalBlocker(self):
            self.setCurrentRow(SCREENS.index(entry))

    def repaint_icons(self) -> None:
        """In the colours of the theme."""
        colour = self._theme.tokens.text
        for position in range(self.count()):
            item = self.item(position)
            item.setIcon(icon(str(item.data(Qt.ItemDataRole.UserRole)), colour))

    def _changed(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._chosen(str(item.data(Qt.ItemDataRole.UserRole)))
