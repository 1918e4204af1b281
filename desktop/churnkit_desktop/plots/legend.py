"""The names of a chart's series, above the plot: there they cover nothing."""

from __future__ import annotations

from html import escape
from typing import Any

import pyqtgraph as pg
from pyqtgraph.graphicsItems.LegendItem import ItemSample

_ROW = 20.0
"""Height of a line of names, and width of a sample, in points of the screen."""
_SPACE, _GAP = 5.0, 16.0
"""Between a sample and its name, and between two names."""


class Legend(pg.GraphicsWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """One name behind the other, in as many lines as it takes; a click at a sample hides a series.

    Parameters
    ----------
    frame : gets a row for it at its top, which is as high as the names
    """

    def __init__(self, frame: pg.PlotItem) -> None:
        super().__init__()
        self.items: list[tuple[ItemSample, pg.LabelItem]] = []
        self._colour = ""
        self._frame = frame
        frame.layout.removeItem(frame.titleLabel)
        frame.layout.addItem(self, 0, 1)
        frame.legend = self

    @property
    def names(self) -> tuple[str, ...]:
        """The names that are shown, as they are written in HTML."""
        return tuple(words.text for _, words in self.items)

    def addItem(self, item: Any, name: str) -> None:  # noqa: N802 - pyqtgraph's name
        """Show the name of a series."""
        words = pg.LabelItem(escape(name), justify="left", size="9pt", color=self._colour or None)
        sample = ItemSample(item)
        for part in (sample, words):
            part.setParentItem(self)
        self.items.append((sample, words))
        self._place()

    def removeItem(self, item: Any) -> None:  # noqa: N802 - pyqtgraph's name
        """Show the name of a series no longer."""
        for pair in [pair for pair in self.items if pair[0].item is item]:
            self.items.remove(pair)
            for part in pair:
                part.setParentItem(None)
                if part.scene() is not None:
                    part.scene().removeItem(part)
            self._place()

    def paint_names(self, colour: str) -> None:
        """Use a colour of a theme, for those that stand there already, too."""
        self._colour = colour
        for _, words in self.items:
            words.setText(words.text, color=colour)

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """The names find their lines anew."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        x = y = 0.0
        for sample, words in self.items:
            box = words.itemRect()
            needs = _ROW + _SPACE + box.width()
            if x and x + needs > self.size().width():
                x, y = 0.0, y + _ROW
            sample.setPos(x, y)
            words.setPos(x + _ROW + _SPACE, y + (_ROW - box.height()) / 2)
            x += needs + _GAP
        height = y + _ROW if self.items else 0.0
        if height != self._frame.layout.rowMaximumHeight(0):
            self._frame.layout.setRowFixedHeight(0, height)
