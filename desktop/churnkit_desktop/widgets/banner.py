"""What went wrong, in place: what, where, what to do; never a traceback."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from churnkit.errors import ChurnkitError
from churnkit_desktop.widgets.layout import label


class Banner(QFrame):
    """A line or three above a screen's body; hidden while there is nothing to say."""

    def __init__(self) -> None:
        super().__init__()
        outer = self._outer = QHBoxLayout(self)
        outer.setContentsMargins(14, 10, 14, 10)
        words = QVBoxLayout()
        words.setSpacing(2)
        self.what = label("", "problemTitle", wrap=True)
        self.where = label("", "faint", wrap=True)
        self.fix = label("", wrap=True)
        for part in (self.what, self.where, self.fix):
            words.addWidget(part)
        outer.addLayout(words, 1)
        self.button = QPushButton("")
        self.button.hide()
        self._pressed: Callable[[], None] | None = None
        self.button.clicked.connect(self._press)
        outer.addWidget(self.button)
        self.hide()

    def show_error(self, error: ChurnkitError | None) -> None:
        """Show an error; None: hide."""
        if error is None:
            self.hide()
            return
        self._look("problem", "problemTitle")
        places = ", ".join(f"{name} {value}" for name, value in error.where.items() if value)
        self._fill(error.what[:1].upper() + error.what[1:], places, error.fix)

    def show_notice(self, text: str, detail: str = "") -> None:
        """Something to know, which is no error; empty: hide."""
        if not text:
            self.hide()
            return
        self._look("notice", "heading")
        self._fill(text, "", detail)

    def offer(self, text: str, pressed: Callable[[], None]) -> None:
        """A button that leads on."""
        self.button.setText(text)
        self._pressed = pressed
        self.button.show()

    def add(self, widget: QWidget) -> None:
        """Something more at its end."""
        self._outer.addWidget(widget)

    def _press(self) -> None:
        if self._pressed is not None:
            self._pressed()

    def _fill(self, what: str, where: str, fix: str) -> None:
        for part, text in ((self.what, what), (self.where, where), (self.fix, fix)):
            part.setText(text)
            part.setVisible(bool(text))
        self.setAccessibleName(f"{what} {fix}")
        self.show()

    def _look(self, frame: str, title: str) -> None:
        if self.objectName() != frame:
            self.setObjectName(frame)
            self.what.setObjectName(title)
            for part in (self, self.what):
                part.style().unpolish(part)
                part.style().polish(part)
