"""The screens of the place that is open: made ahead, one is shown, each is told when it is."""

from __future__ import annotations

from PySide6.QtCore import QRect, QTimer
from PySide6.QtWidgets import QStackedWidget, QWidget

from churnkit_desktop.desk import Desk
from churnkit_desktop.screens.catalog import SCREENS, Entry
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.empty import Empty

_AHEAD_MS = 30


class Shelf(QStackedWidget):
    """Shows one screen, or the first page.

    Parameters
    ----------
    theme : of the screens
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._desk: Desk | None = None
        self.views: dict[str, QWidget] = {}
        self.shown = ""
        """The key of the screen that is shown; empty: none."""

    @property
    def presenter(self) -> Presenter | None:
        """Of the screen that is shown, where it has one."""
        presenter = getattr(self.views.get(self.shown), "presenter", None)
        return presenter if isinstance(presenter, Presenter) else None

    def show_screen(self, desk: Desk, key: str, subject: str) -> Entry:
        """Show a screen, with a subject where it has one; an unknown one is the first."""
        entry = next((entry for entry in SCREENS if entry.key == key), SCREENS[0])
        left = self.presenter
        if left is not None and self.shown != entry.key:
            left.leave()
        self.setCurrentWidget(self._view(entry, desk))
        self.shown = entry.key
        entered = self.presenter
        if entered is not None:
            entered.enter(subject)
        return entry

    def make_ahead(self, desk: Desk) -> None:
        """Make the screens before they are looked at, one in each turn of the event loop."""
        self._desk = desk
        QTimer.singleShot(_AHEAD_MS, lambda: self._make_next(desk))

    def stop(self) -> None:
        """Make no more of them."""
        self._desk = None

    def clear(self) -> None:
        """The place is left."""
        for view in self.views.values():
            self.removeWidget(view)
            view.deleteLater()
        self.views.clear()
        self.stop()
        self.shown = ""

    def _view(self, entry: Entry, desk: Desk) -> QWidget:
        view = self.views.get(entry.key)
        if view is None:
            why = desk.backend.why_not(entry.key)
            view = Empty(entry.title, why) if why else entry.make(desk, self._theme, self)
            self.views[entry.key] = view
            self.addWidget(view)
        return view

    def _make_next(self, desk: Desk) -> None:
        entry = next((entry for entry in SCREENS if entry.key not in self.views), None)
        if self._desk is not desk or entry is None:
            return
        view = self._view(entry, desk)
        QTimer.singleShot(_AHEAD_MS, lambda: self._lay_out(desk, view))

    def _lay_out(self, desk: Desk, view: QWidget) -> None:
        if self._desk is not desk:
            return
        # Drawing a point of it has Qt apply the style and place the parts.
        view.resize(self.size())
        view.grab(QRect(0, 0, 1, 1))
        QTimer.singleShot(_AHEAD_MS, lambda: self._make_next(desk))
