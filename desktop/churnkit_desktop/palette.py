"""Ctrl+K: type a few letters, press Enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.language import tr


@dataclass(frozen=True)
class Command:
    """Something that can be done.

    Parameters
    ----------
    title : in a few words
    keys : its shortcut, or empty
    run : does it
    hint : more words to find it by
    """

    title: str
    keys: str
    run: Callable[[], object]
    hint: str = ""


def matching(commands: Sequence[Command], typed: str) -> list[Command]:
    """The commands that hold all typed words, those whose title begins with them first."""
    words = typed.casefold().split()
    found = [
        command
        for command in commands
        if all(word in f"{command.title} {command.hint}".casefold() for word in words)
    ]
    return sorted(found, key=lambda c: not c.title.casefold().startswith(tuple(words) or ""))


class CommandPalette(QDialog):
    """The dialog; closes when a command runs.

    Parameters
    ----------
    commands : what there is
    """

    def __init__(self, commands: Sequence[Command], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("palette")
        self.setWindowTitle(tr("Command palette"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(520, 380)
        self._commands = commands
        self.typed = QLineEdit()
        self.typed.setPlaceholderText(tr("What would you like to do?"))
        self.typed.setAccessibleName(tr("Search commands"))
        self.listed = QListWidget()
        self.listed.setAccessibleName(tr("Commands"))
        layout = QVBoxLayout(self)
        layout.addWidget(self.typed)
        layout.addWidget(self.listed)
        self.typed.textChanged.connect(self._fill)
        self.typed.returnPressed.connect(self._run)
        self.listed.itemActivated.connect(lambda _item: self._run())
        self.typed.installEventFilter(self)
        self._fill("")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
            if step is not None and self.listed.count():
                row = (self.listed.currentRow() + step) % self.listed.count()
                self.listed.setCurrentRow(row)
                return True
        return super().eventFilter(watched, event)

    def _fill(self, typed: str) -> None:
        self.listed.clear()
        for command in matching(self._commands, typed):
            text = command.title + (f"    {command.keys}" if command.keys else "")
            item = QListWidgetItem(text)
            item.setData(Qt.ItemDataRole.UserRole, command)
            item.setToolTip(command.hint)
            self.listed.addItem(item)
        self.listed.setCurrentRow(0)

    def _run(self) -> None:
        item = self.listed.currentItem()
        if item is not None:
            command: Command = item.data(Qt.ItemDataRole.UserRole)
            self.close()
            command.run()
