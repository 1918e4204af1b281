"""What a chart has drawn, and how it is painted in a theme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from churnkit_desktop.theme.tokens import Tokens

Numbers = NDArray[np.float64]
DASHES = {
    "solid": Qt.PenStyle.SolidLine,
    "dash": Qt.PenStyle.DashLine,
    "dot": Qt.PenStyle.DotLine,
}
_NOTHING: Numbers = np.empty(0)


@dataclass
class Series:
    """One series: its item in the scene, and its values.

    ``kind``: line, points, band, bars, level or slider. A band has ``y`` as its lower and
    ``y_high`` as its upper edge.
    """

    kind: str
    item: Any
    colour: int
    style: str = "solid"
    dots: bool = False
    symbol: str = "o"
    edges: tuple[Any, ...] = ()
    x: Numbers = field(default_factory=lambda: _NOTHING)
    y: Numbers = field(default_factory=lambda: _NOTHING)
    y_high: Numbers = field(default_factory=lambda: _NOTHING)
    texts: tuple[str, ...] = ()

    def paint(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        palette = tokens.series
        colour = QColor(tokens.faint if self.colour < 0 else palette[self.colour % len(palette)])
        if self.kind == "line":
            self.item.setPen(pg.mkPen(colour, width=1.6, style=DASHES[self.style]))
            if self.dots:
                self.item.setSymbol("o")
                self.item.setSymbolSize(6)
                self.item.setSymbolBrush(pg.mkBrush(colour))
                self.item.setSymbolPen(pg.mkPen(colour))
        elif self.kind == "points":
            self.item.setBrush(pg.mkBrush(colour))
            self.item.setPen(pg.mkPen(tokens.surface))
            self.item.setSymbol(self.symbol)
        elif self.kind == "band":
            edge, fill = QColor(colour), QColor(colour)
            edge.setAlpha(90)
            fill.setAlpha(45)
            self.item.setBrush(pg.mkBrush(fill))
            for line in self.edges:
                line.setPen(pg.mkPen(edge))
        elif self.kind == "bars":
            self.item.setOpts(brush=pg.mkBrush(colour), pen=pg.mkPen(None))
        elif self.kind == "slider":
            self.item.setPen(pg.mkPen(tokens.accent, width=2))
            self.item.setHoverPen(pg.mkPen(tokens.accent, width=4))
        else:
            self.item.setPen(pg.mkPen(colour, style=Qt.PenStyle.DashLine))
        if getattr(self.item, "label", None) is not None:
            self.item.label.setColor(QColor(tokens.text))

    def lines(self, name: str) -> list[list[object]]:
        """The values as rows of a table: series, x, y and, for points, their text."""
        if self.kind == "band":
            rows: list[list[object]] = []
            for x, low, high in zip(self.x, self.y, self.y_high, strict=True):
                rows += [[f"{name} (low)", x, low], [f"{name} (high)", x, high]]
            return rows
        if self.kind == "points" and self.texts:
            return [[name, x, text] for x, text in zip(self.x, self.texts, strict=True)]
        if self.kind in ("line", "bars", "points"):
            return [[name, x, y] for x, y in zip(self.x, self.y, strict=True)]
        return []
