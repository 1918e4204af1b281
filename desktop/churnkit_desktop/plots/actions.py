"""What the menu of a chart offers; each has a key that works while the chart has the focus."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox, QWidget

from churnkit.errors import ChurnkitError
from churnkit_desktop.language import tr
from churnkit_desktop.plots import saving

_ZOOM = 0.8
_LOOKING = 5
"""The first actions change what is seen; those behind take it along."""


class Acts(Protocol):
    """What a chart does."""

    name: str

    def reset(self) -> None:
        """Show everything again."""

    def zoom(self, factor: float) -> None:
        """Closer or further away."""

    def step(self, by: int) -> None:
        """Go to another value."""

    def copy_values(self) -> None:
        """To the clipboard."""

    def copy_picture(self) -> None:
        """To the clipboard."""

    def save(self, path: Path) -> None:
        """Write it."""


def add_actions(chart: Acts, plot: QWidget) -> tuple[QAction, ...]:
    """Give a plot its keys and its context menu."""
    made = []
    for text, keys, run in (
        (tr("Reset the view"), "Home", chart.reset),
        (tr("Zoom in"), "+", lambda: chart.zoom(_ZOOM)),
        (tr("Zoom out"), "-", lambda: chart.zoom(1 / _ZOOM)),
        (tr("Next value"), "Right", lambda: chart.step(1)),
        (tr("Previous value"), "Left", lambda: chart.step(-1)),
        (tr("Copy the values"), "Ctrl+C", chart.copy_values),
        (tr("Copy the picture"), "Ctrl+Shift+C", chart.copy_picture),
        (tr("Export as PNG, SVG or CSV …"), "Ctrl+E", lambda: _export(chart, plot)),
    ):
        action = QAction(text, plot)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(lambda _=False, run=run: run())
        plot.addAction(action)
        made.append(action)

    def show_menu(position: Any) -> None:
        menu = QMenu(plot)
        menu.addActions(made)
        menu.insertSeparator(made[_LOOKING])
        menu.exec(plot.mapToGlobal(position))
        menu.deleteLater()

    plot.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    plot.customContextMenuRequested.connect(show_menu)
    return tuple(made)


def _export(chart: Acts, plot: QWidget) -> None:
    """Ask for a file, and write the chart."""
    name, _ = QFileDialog.getSaveFileName(
        plot, tr("Export the chart"), f"{chart.name}.png", saving.KINDS
    )
    if name:
        try:
            chart.save(Path(name))
        except ChurnkitError as error:
            QMessageBox.warning(plot, tr("Export the chart"), f"{error.what}\n{error.fix}")
