"""The window: navigation at the left, one screen at the right, words below."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QByteArray, QRect, QSignalBlocker, QSize, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from churnkit.errors import ChurnkitError
from churnkit_desktop import formats
from churnkit_desktop.about import AboutDialog
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.opening import is_address, make_bench, make_script, open_backend
from churnkit_desktop.backend.protocol import Backend
from churnkit_desktop.backend.remote.backend import KeyRefused
from churnkit_desktop.connect_dialog import ConnectDialog
from churnkit_desktop.connection import Connection
from churnkit_desktop.desk import Console, Desk
from churnkit_desktop.language import tr
from churnkit_desktop.palette import Command, CommandPalette
from churnkit_desktop.runner import Runner
from churnkit_desktop.screens.catalog import SCREENS, Entry, warm
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.script_panel import ScriptPanel
from churnkit_desktop.session import connections
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.session.undo import Edits
from churnkit_desktop.shortcuts import ShortcutsDialog
from churnkit_desktop.theme.icons import icon
from churnkit_desktop.theme.style import CHOICES, Theme
from churnkit_desktop.welcome import Welcome
from churnkit_desktop.widgets.empty import Empty

_SCREEN = "screen"
_AHEAD_MS = 30


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
        self.runner = Runner()
        # Opening has a thread of its own: others may wait for a lost connection.
        self.opener = Runner(threads=1)
        self.keys = keys or Keys()
        self.connection = Connection()
        self.desk: Desk | None = None
        self._made_by: Action | None = None
        self._views: dict[str, QWidget] = {}
        self._current = ""
        self.setWindowTitle("churnkit")
        self.setMinimumSize(940, 620)
        self.setAcceptDrops(True)
        self.navigation = QListWidget()
        self.navigation.setObjectName("navigation")
        self.navigation.setAccessibleName(tr("Screens"))
        self.navigation.setFixedWidth(184)
        self.navigation.setIconSize(QSize(20, 20))
        self.navigation.currentItemChanged.connect(self._navigate)
        self.stack = QStackedWidget()
        self.welcome = Welcome(self)
        self.stack.addWidget(self.welcome)
        centre = QWidget()
        side = QHBoxLayout(centre)
        side.setContentsMargins(0, 0, 0, 0)
        side.setSpacing(0)
        side.addWidget(self.navigation)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.connection.banner)
        right.addWidget(self.stack, 1)
        side.addLayout(right, 1)
        self.setCentralWidget(centre)
        self.script_panel = ScriptPanel(self)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.script_panel)
        self.script_panel.hide()
        self.work_label = QLabel("")
        self.stop_button = QPushButton(tr("Cancel"))
        self.stop_button.clicked.connect(self._cancel_all)
        self.stop_button.hide()
        self.statusBar().addPermanentWidget(self.work_label)
        self.statusBar().addPermanentWidget(self.stop_button)
        formats.use(formats.remembered(memory.general().get("formats")))
        self._actions()
        self._restore()
        theme.changed.connect(self._repaint)
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

        def opened() -> Backend:
            warm()  # the screens' modules are read here, not when one is first looked at
            return open_backend(place, self.keys)

        self.opener.run("open", opened, self._opened, failed)

    def connect_service(self, url: str = "", why: ChurnkitError | None = None) -> None:
        """Ask for a service's address and key."""
        ConnectDialog(self, self, url, why).open()

    def _opened(self, backend: Backend) -> None:
        self._leave_place()
        self.memory.opened(backend.place)
        self.memory.remember(place=backend.place)
        place_memory = self.memory.place(backend.place)
        script = make_script(backend)
        bench = make_bench(backend, place_memory, script)
        bench.changed.connect(self._show_work)
        self.desk = Desk(
            backend, self.runner, bench, place_memory, script, self.go, console=self._console()
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
        self.navigation.blockSignals(True)
        self.navigation.clear()
        for entry in SCREENS:
            item = QListWidgetItem(entry.title)
            item.setData(Qt.ItemDataRole.UserRole, entry.key)
            item.setToolTip(entry.hint)
            self.navigation.addItem(item)
        # A list that gets the focus chooses its first row: nobody asked for that screen.
        self.navigation.show()
        self._repaint()
        self.go(str(place_memory.get(_SCREEN, SCREENS[0].key)), "")
        self.navigation.blockSignals(False)
        desk = self.desk
        QTimer.singleShot(_AHEAD_MS, lambda: self._make_ahead(desk))

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
        for view in self._views.values():
            self.stack.removeWidget(view)
            view.deleteLater()
        self._views.clear()
        self._current = ""
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
        entry = next((entry for entry in SCREENS if entry.key == key), SCREENS[0])
        if self._current and self._current != entry.key:
            self._presenter(self._current, "leave")
        view = self._views.get(entry.key)
        if view is None:
            view = self._views[entry.key] = self._make(entry, self.desk)
            self.stack.addWidget(view)
        self._current = entry.key
        self.stack.setCurrentWidget(view)
        self.desk.memory.put(_SCREEN, entry.key)
        with QSignalBlocker(self.navigation):
            self.navigation.setCurrentRow(SCREENS.index(entry))
        self._presenter(entry.key, "enter", subject)

    def _make_ahead(self, desk: Desk) -> None:
        """Make the screens before they are looked at, one in each turn of the event loop."""
        entry = next((entry for entry in SCREENS if entry.key not in self._views), None)
        if self.desk is not desk or entry is None:
            return
        view = self._views[entry.key] = self._make(entry, desk)
        self.stack.addWidget(view)
        QTimer.singleShot(_AHEAD_MS, lambda: self._lay_out(desk, view))

    def _lay_out(self, desk: Desk, view: QWidget) -> None:
        if self.desk is not desk:
            return
        # Drawing a point of it has Qt apply the style and place the parts.
        view.resize(self.stack.size())
        view.grab(QRect(0, 0, 1, 1))
        QTimer.singleShot(_AHEAD_MS, lambda: self._make_ahead(desk))

    def _make(self, entry: Entry, desk: Desk) -> QWidget:
        why = desk.backend.why_not(entry.key)
        return Empty(entry.title, why) if why else entry.make(desk, self.theme)

    def _presenter(self, key: str, verb: str, *arguments: str) -> None:
        presenter = getattr(self._views.get(key), "presenter", None)
        if presenter is not None:
            getattr(presenter, verb)(*arguments)

    def _navigate(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.go(str(item.data(Qt.ItemDataRole.UserRole)))

    # --- work --------------------------------------------------------------------------

    def _show_work(self) -> None:
        jobs = self.desk.bench.running() if self.desk else ()
        self.work_label.setText(" · ".join(job.action.title or job.action.verb for job in jobs))
        self.stop_button.setVisible(bool(jobs))

    def _cancel_all(self) -> None:
        if self.desk is not None:
            for job in self.desk.bench.running():
                self.desk.bench.cancel(job.action.verb)

    # --- commands ----------------------------------------------------------------------

    def commands(self) -> list[Command]:
        """Everything that can be done from here, for the palette and the list of shortcuts."""
        listed = [
            Command(tr("Open a project …"), "Ctrl+O", self.ask_folder),
            Command(tr("New project from a file …"), "Ctrl+N", self.ask_file),
            Command(tr("Connect to a service …"), "Ctrl+Shift+O", self.connect_service),
            Command(tr("Open the sample"), "", self.welcome.open_sample),
            Command(tr("Close the project"), "Ctrl+W", self.close_place),
            Command(tr("Command palette"), "Ctrl+K", self.show_palette),
            Command(tr("Python behind the clicks"), "Ctrl+P", self.toggle_script),
            Command(tr("Read again"), "F5", self.read_again),
            Command(tr("Undo an edit"), "Ctrl+Z", self.undo),
            Command(tr("Redo an edit"), "Ctrl+Shift+Z", self.redo),
            Command(tr("Keyboard shortcuts"), "F1", self.show_shortcuts),
            Command(tr("About churnkit, and licences"), "", self.show_about),
            Command(tr("Settings"), "Ctrl+,", partial(self.go, "settings")),
            Command(tr("Quit"), "Ctrl+Q", self.close),
        ]
        listed += [
            Command(
                tr("Theme: {choice}").format(choice=choice), "", partial(self.choose_theme, choice)
            )
            for choice in CHOICES
        ]
        if self.desk is not None:
            listed += [
                Command(
                    tr("Go to {title}").format(title=entry.title),
                    tr("Ctrl+{number}").format(number=number) if number < 10 else "",
                    partial(self.go, entry.key),
                    entry.hint,
                )
                for number, entry in enumerate(SCREENS, 1)
            ]
        return listed

    def _actions(self) -> None:
        bar = self.menuBar()
        file_menu, edit_menu, view_menu, help_menu = (
            bar.addMenu(tr("&File")),
            bar.addMenu(tr("&Edit")),
            bar.addMenu(tr("&View")),
            bar.addMenu(tr("&Help")),
        )

        def add(menu: object, text: str, keys: str, call: Callable[[], object]) -> None:
            action = QAction(text, self)
            if keys:
                action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda: call())
            menu.addAction(action)  # type: ignore[attr-defined]

        add(file_menu, tr("Open a project …"), "Ctrl+O", self.ask_folder)
        add(file_menu, tr("New project from a file …"), "Ctrl+N", self.ask_file)
        add(file_menu, tr("Connect to a service …"), "Ctrl+Shift+O", self.connect_service)
        add(file_menu, tr("Open the sample"), "", self.welcome.open_sample)
        add(file_menu, tr("Close the project"), "Ctrl+W", self.close_place)
        file_menu.addSeparator()
        add(file_menu, tr("Settings"), "Ctrl+,", partial(self.go, "settings"))
        add(file_menu, tr("Quit"), "Ctrl+Q", self.close)
        add(edit_menu, tr("Undo"), "Ctrl+Z", self.undo)
        add(edit_menu, tr("Redo"), "Ctrl+Shift+Z", self.redo)
        edit_menu.aboutToShow.connect(lambda: self._name_edits(*edit_menu.actions()))
        add(view_menu, tr("Command palette"), "Ctrl+K", self.show_palette)
        add(view_menu, tr("Python behind the clicks"), "Ctrl+P", self.toggle_script)
        add(view_menu, tr("Read again"), "F5", self.read_again)
        themes = view_menu.addMenu(tr("Theme"))
        for choice in CHOICES:
            add(themes, choice.capitalize(), "", partial(self.choose_theme, choice))
        add(help_menu, tr("Keyboard shortcuts"), "F1", self.show_shortcuts)
        add(help_menu, tr("About churnkit, and licences"), "", self.show_about)
        for number, entry in enumerate(SCREENS[:9], 1):
            action = QAction(tr("Go to {title}").format(title=entry.title), self)
            action.setShortcut(QKeySequence(f"Ctrl+{number}"))
            action.triggered.connect(lambda _=False, key=entry.key: self.go(key))
            self.addAction(action)
        question = QAction(tr("Keyboard shortcuts"), self)
        question.setShortcut(QKeySequence("?"))
        question.triggered.connect(self.show_shortcuts)
        self.addAction(question)

    def ask_folder(self) -> None:
        """Ask for a project folder."""
        name = QFileDialog.getExistingDirectory(self, tr("Open a project"))
        if name:
            self.open_place(name)

    def ask_file(self) -> None:
        """Ask for a file of customers."""
        name, _ = QFileDialog.getOpenFileName(
            self,
            tr("Import customers"),
            "",
            tr("Tables (*.csv *.parquet *.xlsx *.txt *.tsv);;All (*)"),
        )
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
        self.memory.remember(geometry="", layout="")
        self.script_panel.hide()
        self.showNormal()
        self.resize(1280, 820)

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
        presenter = getattr(self._views.get(self._current), "presenter", None)
        return presenter if isinstance(presenter, Presenter) else None

    def _name_edits(self, undo: QAction, redo: QAction) -> None:
        editor = self._editor()
        for action, word, what in (
            (undo, tr("Undo"), editor.undoable if editor else ""),
            (redo, tr("Redo"), editor.redoable if editor else ""),
        ):
            action.setText(f"{word}: {what}" if what else word)
            action.setEnabled(bool(what))

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

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's names
        if len(event.mimeData().urls()) == 1 and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        name = event.mimeData().urls()[0].toLocalFile()
        event.acceptProposedAction()
        # Leave the drag's own loop first: the other program waits for its end.
        QTimer.singleShot(0, lambda: self._dropped(name))

    def _dropped(self, name: str) -> None:
        if Path(name).is_dir():
            self.open_place(name)
        else:
            self.import_file(name)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self.memory.remember(
            geometry=bytes(self.saveGeometry().toBase64().data()).decode(),
            layout=bytes(self.saveState().toBase64().data()).decode(),
        )
        self.shut()
        event.accept()

    def shut(self) -> None:
        """Stop work and threads; may be called twice."""
        self.theme.changed.disconnect(self._repaint)
        self.connection.watch(None)
        if self.desk is not None:
            self.desk.bench.close()
            self.desk.backend.close()
            self.desk = None
        self.welcome.close_work()
        self.runner.close()
        self.opener.close()

    def _restore(self) -> None:
        general = self.memory.general()
        geometry, layout = general.get("geometry"), general.get("layout")
        if not (geometry and self.restoreGeometry(QByteArray.fromBase64(geometry.encode()))):
            self.resize(1280, 820)
        if layout:
            self.restoreState(QByteArray.fromBase64(layout.encode()))

    def _repaint(self) -> None:
        colour = self.theme.tokens.text
        for position in range(self.navigation.count()):
            item = self.navigation.item(position)
            item.setIcon(icon(str(item.data(Qt.ItemDataRole.UserRole)), colour))
