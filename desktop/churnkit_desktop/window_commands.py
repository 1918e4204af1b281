"""What can be done from the window, listed once for its menus, the palette and the shortcuts."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from churnkit_desktop.language import tr
from churnkit_desktop.menus import Item
from churnkit_desktop.palette import Command
from churnkit_desktop.screens.catalog import SCREENS
from churnkit_desktop.theme.choices import THEMES


class Window(Protocol):
    """What the commands ask of the window."""

    def ask_folder(self) -> None: ...
    def ask_file(self) -> None: ...
    def connect_service(self) -> None: ...
    def open_sample(self) -> None: ...
    def close_place(self) -> None: ...
    def undo(self) -> None: ...
    def redo(self) -> None: ...
    def show_palette(self) -> None: ...
    def toggle_script(self) -> None: ...
    def read_again(self) -> None: ...
    def show_shortcuts(self) -> None: ...
    def show_about(self) -> None: ...
    def go(self, key: str, subject: str = "") -> None: ...
    def close(self) -> bool: ...
    def choose_theme(self, choice: str) -> None: ...


def menu_items(window: Window) -> list[Item]:
    """What stands in the menus."""
    file, edit, view, help_ = tr("&File"), tr("&Edit"), tr("&View"), tr("&Help")
    listed = [
        Item(file, Command(tr("Open a project …"), "Ctrl+O", window.ask_folder)),
        Item(file, Command(tr("New project from a file …"), "Ctrl+N", window.ask_file)),
        Item(file, Command(tr("Connect to a service …"), "Ctrl+Shift+O", window.connect_service)),
        Item(file, Command(tr("Open the sample"), "", window.open_sample)),
        Item(file, Command(tr("Close the project"), "Ctrl+W", window.close_place)),
        Item(edit, Command(tr("Undo an edit"), "Ctrl+Z", window.undo), tr("Undo")),
        Item(edit, Command(tr("Redo an edit"), "Ctrl+Shift+Z", window.redo), tr("Redo")),
        Item(view, Command(tr("Command palette"), "Ctrl+K", window.show_palette)),
        Item(view, Command(tr("Python behind the clicks"), "Ctrl+P", window.toggle_script)),
        Item(view, Command(tr("Read again"), "F5", window.read_again)),
        Item(help_, Command(tr("Keyboard shortcuts"), "F1", window.show_shortcuts)),
        Item(help_, Command(tr("About churnkit, and licences"), "", window.show_about)),
        Item(file, Command(tr("Settings"), "Ctrl+,", partial(window.go, "settings"))),
        Item(file, Command(tr("Quit"), "Ctrl+Q", window.close)),
    ]
    for choice, word in THEMES.items():
        title = tr("Theme: {choice}").format(choice=word)
        command = Command(title, "", partial(window.choose_theme, choice))
        listed.append(Item(view, command, word, tr("Theme")))
    return listed


def screen_commands(window: Window) -> list[Command]:
    """One for each screen."""
    return [
        Command(
            tr("Go to {title}").format(title=entry.title),
            f"Ctrl+{number}" if number < 10 else "",
            partial(window.go, entry.key),
            entry.hint,
        )
        for number, entry in enumerate(SCREENS, 1)
    ]


def keys_beside_menus(window: Window) -> list[Command]:
    """What has keys, but no place in a menu."""
    return [
        *(command for command in screen_commands(window) if command.keys),
        Command(tr("Keyboard shortcuts"), "?", window.show_shortcuts),
    ]
