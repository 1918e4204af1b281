"""The value under the mouse, or the one that the arrow keys have reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF

from churnkit_desktop.language import tr
from churnkit_desktop.plots.series import Series
from churnkit_desktop.theme.tokens import Tokens
from churnkit_desktop.words import figure

_TOLD = ("line", "bars", "points")


class Hover:
    """A dot on a value and its text.

    Parameters
    ----------
    plot : where it is drawn
    series : of the chart, by name
    say : writes an x value as text
    """

    def __init__(
        self, plot: pg.PlotWidget, series: Mapping[str, Series], say: Callable[[float], str]
    ) -> None:
        self._plot, self._series, self._say = plot, series, say
        self.text = pg.TextItem(anchor=(0, 1))
        self.text.setZValue(100)
        self.text.hide()
        self._dot = pg.ScatterPlotItem(size=9)
        self._dot.setZValue(99)
        self._at = -1
        plot.addItem(self.text, ignoreBounds=True)
        plot.addItem(self._dot, ignoreBounds=True)
        plot.scene().sigMouseMoved.connect(self._moved)

    def paint(self, tokens: Tokens) -> None:
        """Use the colours of a theme."""
        self.text.setColor(tokens.text)
        self.text.fill = pg.mkBrush(tokens.raised)
        self.text.border = pg.mkPen(tokens.line)
        self._dot.setBrush(pg.mkBrush(tokens.accent))
        self._dot.setPen(pg.mkPen(tokens.surface))

    def step(self, by: int) -> str:
        """Go to the next or the previous value of the first series; gives what it says."""
        found = next(
            ((n, s) for n, s in self._series.items() if s.kind in _TOLD and len(s.x)), None
        )
        if found is None:
            return ""
        name, series = found
        self._at = (self._at + by) % len(series.x)
        return self._show(name, series, self._at)

    def hide(self) -> None:
        """Say nothing."""
        self.text.hide()
        self._dot.clear()

    def _moved(self, position: QPointF) -> None:
        box = self._plot.getPlotItem().getViewBox()
        if not box.sceneBoundingRect().contains(position):
            self.hide()
            return
        mouse = box.mapSceneToView(position)
        wide, high = box.viewPixelSize()
        best: tuple[float, str, int] | None = None
        for name, series in self._series.items():
            if series.kind not in _TOLD or not len(series.x):
                continue
            away = np.hypot(
                (series.x - mouse.x()) / (wide or 1),
                # A curve is looked for along x; a cloud of points in both directions.
                (series.y - mouse.y()) / (high or 1) if series.kind == "points" else 0.0,
            )
            if np.all(np.isnan(away)):
                continue
            i = int(np.nanargmin(away))
            far = abs(float(series.y[i]) - mouse.y()) / (high or 1)
            if best is None or far < best[0]:
                best = (far, name, i)
        if best is not None:
            _, name, i = best
            self._show(name, self._series[name], i)

    def _show(self, name: str, series: Series, i: int) -> str:
        x, y = float(series.x[i]), float(series.y[i])
        told = series.texts[i] if series.texts else f"{name}: {figure(y)}"
        said = tr("{told}  at  {x}").format(told=told, x=self._say(x))
        box = self._plot.getPlotItem().getViewBox()
        (left, right), (low, high) = box.viewRange()
        self.text.setAnchor((1 if x > (left + right) / 2 else 0, 0 if y > (low + high) / 2 else 1))
        self.text.setText(f" {said} ")
        self.text.setPos(x, y)
        self.text.show()
        self._dot.setData([x], [y])
        return said
