"""One figure with a title above it and a word below."""

from __future__ import annotations

from PySide6.QtWidgets import QSizePolicy

from churnkit_desktop.widgets.layout import Card, label


class Tile(Card):
    """A small card.

    Parameters
    ----------
    title : what the figure is
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self.body.setSpacing(2)
        self.body.addWidget(label(title, "faint"))
        self.figure = label("–", "figure")
        self.word = label("", "faint")
        # A long word must not make all tiles wider; its whole text is in the hint.
        for part in (self.figure, self.word):
            part.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            self.body.addWidget(part)

    def show_figure(self, figure: str, word: str) -> None:
        """Show it."""
        self.figure.setText(figure)
        self.word.setText(word)
        self.word.setToolTip(word)
        self.setAccessibleName(f"{self._title}: {figure}, {word}")
