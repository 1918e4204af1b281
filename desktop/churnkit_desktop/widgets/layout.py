"""Cards, titles, rows: how a screen is put together."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

GAP = 14
EDGE = 22


def label(text: str = "", kind: str = "", *, wrap: bool = False) -> QLabel:
    """Plain text; ``kind`` is title, heading, faint or figure."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    if kind:
        made.setObjectName(kind)
    return made


class Card(QFrame):
    """A framed part of a screen, with a heading.

    Parameters
    ----------
    heading : empty: none
    into, parent : where it stands; known before it is filled, for whatever gets a parent is
        styled anew by Qt, with all that is in it
    """

    def __init__(
        self, heading: str = "", into: QBoxLayout | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        if into is not None:
            into.addWidget(self)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(16, 14, 16, 14)
        self.body.setSpacing(8)
        self.heading = label(heading, "heading")
        self.body.addWidget(self.heading)
        # Only now it has a parent: shown before, it would be a window of its own for a moment.
        self.heading.setVisible(bool(heading))


class ScreenFrame(QWidget):
    """A whole screen: a title, a line below it, buttons at its right, and a body.

    Parameters
    ----------
    title : of the screen
    parent : what it stands in; known before it is filled, as with ``Card``
    scrolls : whether the body scrolls as a whole; not where a table fills the screen
    """

    def __init__(self, title: str, parent: QWidget | None = None, *, scrolls: bool = True) -> None:
        super().__init__(parent)
        self.setObjectName("screen")
        self.setAccessibleName(title)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(EDGE, EDGE, EDGE, 0 if scrolls else EDGE)
        outer.setSpacing(GAP)
        head = QHBoxLayout()
        outer.addLayout(head)
        words = QVBoxLayout()
        words.setSpacing(2)
        head.addLayout(words, 1)
        words.addWidget(label(title, "title"))
        self.subtitle = label("", "faint", wrap=True)
        words.addWidget(self.subtitle)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(8)
        head.addLayout(self.buttons)
        self.above = QVBoxLayout()
        self.above.setSpacing(8)
        outer.addLayout(self.above)
        content = QWidget()
        if scrolls:
            area = QScrollArea()
            area.setWidgetResizable(True)
            outer.addWidget(area, 1)
            area.setWidget(content)
        else:
            outer.addWidget(content, 1)
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(0, 0, 0, EDGE if scrolls else 0)
        self.body.setSpacing(GAP)


def row(*widgets: QWidget, gap: int = GAP) -> QHBoxLayout:
    """Side by side, equally wide."""
    made = QHBoxLayout()
    made.setSpacing(gap)
    for widget in widgets:
        made.addWidget(widget, 1)
    return made


def clear(layout: QVBoxLayout | QHBoxLayout, keep: int = 0) -> None:
    """Take all but the first parts out of a layout."""
    while layout.count() > keep:
        item = layout.takeAt(keep)
        if item is None:
            return
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif inner is not None:
            clear(inner)  # type: ignore[arg-type]
            inner.deleteLater()
