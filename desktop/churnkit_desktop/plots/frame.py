"""The frame of a chart: axes, their words and the grid."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QWheelEvent

from churnkit_desktop.plots.axes import DateAxis, NumberAxis
from churnkit_desktop.plots.legend import Legend
from churnkit_desktop.theme.tokens import Tokens

_SIDES = ("bottom", "left")
HEIGHT = 180
"""The least, in points of the screen."""


class Plot(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """Leaves the wheel to the page, unless one works with the chart or holds Ctrl."""

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        if self.hasFocus() or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
        else:
            event.ignore()


def make_frame(x_label: str, y_label: str, *, time: bool) -> pg.PlotItem:
    """Axes around nothing; two thirds of the time that a plot takes to make.

    Parameters
    ----------
    time : whether x are seconds since 1970, shown as dates
    """
    axes = {"bottom": DateAxis() if time else NumberAxis("bottom"), "left": NumberAxis("left")}
    item = pg.PlotItem(axisItems=axes, enableMenu=False)
    item.hideButtons()
    for side, words in zip(_SIDES, (x_label, y_label), strict=True):
        item.setLabel(side, words)
        # Units stand in the label; “(×0.001)” beside it would be read past.
        item.getAxis(side).enableAutoSIPrefix(False)
        # Behind what is drawn: the lines of the grid are opaque.
        item.getAxis(side).setZValue(item.getViewBox().zValue() - 1)
    item.showGrid(x=True, y=True, alpha=0.18)
    item.getViewBox().setDefaultPadding(0.03)
    return item


def make_plot(frame: pg.PlotItem) -> Plot:
    """The widget that shows a frame."""
    plot = Plot(plotItem=frame)
    plot.setMinimumHeight(HEIGHT)
    plot.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return plot


def paint_frame(plot: Plot, legend: Legend, tokens: Tokens) -> None:
    """Use the colours of a theme."""
    plot.setBackground(tokens.surface)
    for side in _SIDES:
        axis = plot.getAxis(side)
        axis.ground = QColor(tokens.surface)
        axis.setPen(pg.mkPen(tokens.line))
        axis.setTextPen(pg.mkPen(tokens.faint))
    legend.paint_names(tokens.text)
