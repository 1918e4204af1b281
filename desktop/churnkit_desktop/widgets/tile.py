"""One figure with a title above it and a word below."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy

from churnkit_desktop.widgets.layout import Card, label

_EDGES = 34


class Tile(Card):
    """A small card; a word that is too long is cut, and whole in the hint.

    Parameters
    ----------
    title : what the figure is
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title, self._word = title, ""
        self.body.setSpacing(2)
        self.body.addWidget(label(title, "faint", wrap=True))
        self.figure = label("–", "figure")
        self.word = label("", "faint")
        # A long word must not make all tiles wider.
        for part in (self.figure, self.word):
            part.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            self.body.addWidget(part)

    def show_figure(self, figure: str, word: str) -> None:
        """Show it."""
        self.figure.setText(figure)
        self._word = word
        self.word.setToolTip(word)
        self.setAccessibleName(f"{self._title}: {figure}, {word}")
        self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        wide = max(self.width() - _EDGES, 40)
        fits = self.word.fontMetrics().elidedText(self._word, Qt.TextElideMode.ElideRight, wide)
        self.word.setText(fits)
