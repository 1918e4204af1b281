"""F1: all keys."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from churnkit_desktop.language import tr
from churnkit_desktop.palette import Command
from churnkit_desktop.widgets.layout import label
from churnkit_desktop.widgets.table import Column, RowsModel, Table

_EVERYWHERE = (
    (tr("Tab, Shift+Tab"), tr("Next, previous field")),
    (tr("Arrows, Page Up, Page Down, Home, End"), tr("Walk through a table or a list")),
    ("Ctrl+C", tr("Copy the selected rows of a table, for a spreadsheet")),
    ("Ctrl+Z, Ctrl+Shift+Z", tr("Undo, redo an edit")),
    ("Shift+F10", tr("The menu of a table or a chart")),
    (tr("Esc"), tr("Close a dialog")),
)


class ShortcutsDialog(QDialog):
    """The list of keys.

    Parameters
    ----------
    commands : those with keys are listed
    """

    def __init__(self, commands: Sequence[Command], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keyboard shortcuts"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(560, 560)
        model = RowsModel((Column(tr("Keys")), Column(tr("What they do"))))
        rows = [(command.keys, command.title) for command in commands if command.keys]
        model.fill([*rows, *_EVERYWHERE])
        table = Table(tr("Keyboard shortcuts"), model)
        table.setColumnWidth(0, 240)
        layout = QVBoxLayout(self)
        layout.addWidget(label(tr("Keyboard shortcuts"), "heading"))
        layout.addWidget(table)
