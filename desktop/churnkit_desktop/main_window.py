"""The window: navigation at the left, one screen at the right, words below."""

from __future__ import annotations

from PySide6.QtCore import QLocale, QSignalBlocker, Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QMainWindow, QWidget

from churnkit.errors import ChurnkitError
from churnkit_desktop import formats, window_layout
from churnkit_desktop.about import AboutDialog
from churnkit_desktop.actions import Action
from churnkit_desktop.asking import ask_project, ask_table
from churnkit_desktop.backend.opening import (
    currency_of,
    is_address,
    make_bench,
    make_script,
    open_backend,
)
from churnkit_desktop.backend.protocol import Backend
from churnkit_desktop.backend.remote.backend import KeyRefused
from churnkit_desktop.connect_dialog import ConnectDialog
from churnkit_desktop.connection import Connection
from churnkit_desktop.desk import Console, Desk
from churnkit_desktop.dropping import DropZone
from churnkit_desktop.language import tr
from churnkit_desktop.menus import add_keys, fill_menus, name_edits
from churnkit_desktop.navigation import Navigation
from churnkit_desktop.palette import Command, CommandPalette
from churnkit_desktop.runner import Runner
from churnkit_desktop.screens.catalog import SCREENS, warm
from churnkit_desktop.script_panel import ScriptPanel
from churnkit_desktop.session import connections
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.session.undo import Edits
from churnkit_desktop.shelf import Shelf
from churnkit_desktop.shortcuts import ShortcutsDialog
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.welcome import Welcome
from churnkit_desktop.window_commands import keys_beside_menus, menu_items, screen_commands
from churnkit_desktop.work_bar import WorkBar

_SCREEN = "screen"


class MainWindow(QMainWindow):
    """One window on one place.

    Parameters
    ----------
    theme, memory : shared by all of the application
    keys : of services; None: those of the system's keyring
    """

    def __init__(self, theme: Theme, memory: Memory, keys: Keys | None = None) -> None:
        super().__init__()
        self.theme, self.memory = theme, memory
        formats.use(formats.remembered(memory.general().get("formats")))
        QLocale.setDefault(QLocale(formats.LOCALES[formats.in_use().numbers]))
        self.runner = Runner()
        # Opening has a thread of its own: others may wait for a lost connection.
        self.opener = Runner(threads=1)
        self.keys = keys or Keys()
        self.connection = Connection()
        self.desk: Desk | None = None
        self._made_by: Action | None = None
        self.setWindowTitle("churnkit")
        self.setMinimumSize(940, 620)
        self.navigation = Navigation(theme, self.go)
        self.drops = DropZone(self, self.opener, self.open_place, self.import_file)
        self.stack = Shelf(theme)
        self.welcome = Welcome(self)
        self.stack.addWidget(self.welcome)
        above = (self.connection.banner, self.drops.banner)
        self.setCentralWidget(window_layout.beside(self.navigation, above, self.stack))
        self.script_panel = ScriptPanel(self)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.script_panel)
        self.script_panel.hide()
        self.work = WorkBar(self.statusBar(), lambda: self.desk.bench if self.desk else None)
        menus = fill_menus(self, menu_items(self))
        name_edits(menus[tr("&Edit")], self._editor)
        add_keys(self, keys_beside_menus(self))
        window_layout.restore(self, memory)
        theme.changed.connect(self.navigation.repaint_icons)
        self._show_welcome()

    # --- opening -----------------------------------------------------------------------

    def begin(self, place: str = "") -> None:
        """Open a place; without one what was open last, else offer what there is."""
        general = self.memory.general()
        wanted = place or (str(general.get("place", "")) if general.get("reopen", True) else "")
        if wanted:
            self.open_place(wanted)
        else:
            self._show_welcome()

    def open_place(self, place: str, made_by: Action | None = None) -> None:
        """Open a project folder or a service; the old one stays open if this fails.

        Parameters
        ----------
        made_by : what made the project just now; the script begins with it
        """
        self._made_by = made_by
        self.statusBar().showMessage(tr("Opening {place} …").format(place=place))

        def failed(error: ChurnkitError) -> None:
            self._not_opened(place, error)

        def opened() -> tuple[Backend, str]:
            warm()  # the screens' modules are read here, not when one is first looked at
            backend = open_backend(place, self.keys)
            return backend, currency_of(backend)

        self.opener.run("open", opened, self._opened, failed)

    def connect_service(self, url: str = "", why: ChurnkitError | None = None) -> None:
        """Ask for a service's address and key."""
        ConnectDialog(self, self, url, why).open()

    def _opened(self, opened: tuple[Backend, str]) -> None:
        backend, currency = opened
        self._leave_place()
        self.memory.opened(backend.place)
        self.memory.remember(place=backend.place)
        place_memory = self.memory.place(backend.place)
        script = make_script(backend)
        bench = make_bench(backend, place_memory, script)
        bench.changed.connect(self.work.show_work)
        self.desk = Desk(
            backend,
            self.runner,
            bench,
            place_memory,
            script,
            self.go,
            console=self._console(),
            currency=currency,
        )
        self.connection.watch(self.desk)
        if is_address(backend.place):
            connections.add(self.memory, backend.place)
        if self._made_by is not None:
            script.record(self._made_by)
            self._made_by = None
        self.script_panel.show_script(script)
        self.setWindowTitle(f"{backend.title} – churnkit")
        self.statusBar().showMessage(backend.place)
        self.drops.banner.hide()
        self.navigation.fill()
        # A list that gets the focus chooses its first row: nobody asked for that screen.
        with QSignalBlocker(self.navigation):
            self.navigation.show()
            self.go(str(place_memory.get(_SCREEN, SCREENS[0].key)), "")
        self.stack.make_ahead(self.desk)

    def _console(self) -> Console:
        return Console(
            memory=self.memory,
            keys=self.keys,
            choose_theme=self.choose_theme,
            forget_layout=self.forget_layout,
            ask_service=lambda known: ConnectDialog(self, self, known=known).open(),
            open_place=self.open_place,
        )

    def _not_opened(self, place: str, error: ChurnkitError) -> None:
        self.statusBar().clearMessage()
        if self.desk is None:
            self._show_welcome()
        if isinstance(error, KeyRefused):
            self.connect_service(place, error)
            return
        self.welcome.show_error(error, lambda: self.open_place(place))
        if self.desk is not None:
            self.statusBar().showMessage(f"{error.what} {error.fix}", 10_000)

    def _leave_place(self) -> None:
        if self.desk is None:
            return
        self.connection.watch(None)
        self.desk.bench.close()
        self.stack.clear()
        self.desk.backend.close()
        self.desk = None

    def _show_welcome(self) -> None:
        self.navigation.hide()
        self.welcome.fill(self.memory.recent())
        self.stack.setCurrentWidget(self.welcome)

    def close_place(self) -> None:
        """Back to the first page."""
        self._leave_place()
        self.memory.remember(place="")
        self.setWindowTitle("churnkit")
        self.statusBar().clearMessage()
        self._show_welcome()

    # --- screens -----------------------------------------------------------------------

    def go(self, key: str, subject: str = "") -> None:
        """Show a screen, with a subject where it has one."""
        if self.desk is None:
            return
        entry = self.stack.show_screen(self.desk, key, subject)
        self.desk.memory.put(_SCREEN, entry.key)
        self.navigation.mark(entry)

    @property
    def _views(self) -> dict[str, QWidget]:
        """The screens that were made."""
        return self.stack.views

    # --- commands ----------------------------------------------------------------------

    def commands(self) -> list[Command]:
        """Everything that can be done from here, for the palette and the list of shortcuts."""
        listed = [item.command for item in menu_items(self)]
        return listed + (screen_commands(self) if self.desk is not None else [])

    def open_sample(self) -> None:
        """Open the sample's project; the first time it is made."""
        self.welcome.open_sample()

    def ask_folder(self) -> None:
        """Ask for a project folder."""
        name = ask_project(self)
        if name:
            self.open_place(name)

    def ask_file(self) -> None:
        """Ask for a file of customers."""
        name = ask_table(self)
        if name:
            self.import_file(name)

    def import_file(self, name: str) -> None:
        """Make a project from a file."""
        if self.desk is not None:
            self.close_place()
        self.welcome.begin_import(name)

    def choose_theme(self, choice: str) -> None:
        """Use a theme, and remember it."""
        self.memory.remember(theme=choice)
        self.theme.choose(choice)

    def forget_layout(self) -> None:
        """The window as it is at the first start."""
        self.script_panel.hide()
        window_layout.forget(self, self.memory)

    def read_again(self) -> None:
        """Read everything anew."""
        if self.desk is not None:
            self.desk.changed()

    def undo(self) -> None:
        """Take back the last edit of the screen that is shown."""
        editor = self._editor()
        if editor is not None:
            editor.undo()

    def redo(self) -> None:
        """Do again what was taken back."""
        editor = self._editor()
        if editor is not None:
            editor.redo()

    def _editor(self) -> Edits | None:
        """Who keeps the edits of what is shown."""
        if self.stack.currentWidget() is self.welcome:
            return self.welcome.import_page
        return self.stack.presenter

    def show_palette(self) -> None:
        """Search all commands."""
        CommandPalette(self.commands(), self).open()

    def show_shortcuts(self) -> None:
        """List the keys."""
        ShortcutsDialog(self.commands(), self).open()

    def show_about(self) -> None:
        """The version, and the licences of all parts."""
        AboutDialog(self.runner, self).open()

    def toggle_script(self) -> None:
        """Show or hide the Python behind the clicks."""
        self.script_panel.setVisible(not self.script_panel.isVisible())

    # --- window ------------------------------------------------------------------------

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        window_layout.keep(self, self.memory)
        self.shut()
        event.accept()

    def shut(self) -> None:
        """Stop work and threads; may be called twice."""
        self.theme.changed.disconnect(self.navigation.repaint_icons)
        self.stack.stop()
        self.connection.watch(None)
        if self.desk is not None:
            self.desk.bench.close()
            self.desk.backend.close()
            self.desk = None
        self.welcome.close_work()
        self.runner.close()
        self.opener.close()
        self.memory.settle()
