"""The menus of a window, made from the same list as the command palette."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from churnkit_desktop.language import tr
from churnkit_desktop.palette import Command
from churnkit_desktop.session.undo import Edits


@dataclass(frozen=True)
class Item:
    """A command and its place in a menu.

    Parameters
    ----------
    menu : its title
    text : what the menu says; empty: the command's title
    group : of a menu within the menu; empty: none
    """

    menu: str
    command: Command
    text: str = ""
    group: str = ""


def fill_menus(window: QMainWindow, items: Sequence[Item]) -> dict[str, QMenu]:
    """Put commands into the menu bar; gives the menus by their titles."""
    menus: dict[str, QMenu] = {}
    for item in items:
        if item.menu not in menus:
            menus[item.menu] = window.menuBar().addMenu(item.menu)
        menu = menus[item.menu]
        if item.group:
            if item.group not in menus:
                menus[item.group] = menu.addMenu(item.group)
            menu = menus[item.group]
        action = _action(window, item.text or item.command.title, item.command)
        menu.addAction(action)
    return menus


def add_keys(window: QMainWindow, commands: Sequence[Command]) -> None:
    """Keys that work without a menu."""
    for command in commands:
        window.addAction(_action(window, command.title, command))


def name_edits(menu: QMenu, editor: Callable[[], Edits | None]) -> None:
    """Have the first two entries of a menu say what they undo and do again."""

    def name() -> None:
        undo, redo = menu.actions()[:2]
        edits = editor()
        for action, word, what in (
            (undo, tr("Undo"), edits.undoable if edits else ""),
            (redo, tr("Redo"), edits.redoable if edits else ""),
        ):
            action.setText(f"{word}: {what}" if what else word)
            action.setEnabled(bool(what))

    menu.aboutToShow.connect(name)


def _action(window: QMainWindow, text: str, command: Command) -> QAction:
    action = QAction(text, window)
    if command.keys:
        action.setShortcut(QKeySequence(command.keys))
    action.triggered.connect(lambda: command.run())
    return action
