"""One kind of chart for all screens: hover a value, zoom, reset, export, copy.

Curves are kept and get new data; making them anew would cost memory and time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyqtgraph as pg
from numpy.typing import ArrayLike
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QGuiApplication,
    QImage,
    QShowEvent,
)
from PySide6.QtWidgets import QVBoxLayout, QWidget

from churnkit_desktop import formats
from churnkit_desktop.language import tr
from churnkit_desktop.plots import saving
from churnkit_desktop.plots.actions import add_actions
from churnkit_desktop.plots.frame import Plot, make_frame, make_plot, paint_frame
from churnkit_desktop.plots.hover import Hover
from churnkit_desktop.plots.legend import Legend
from churnkit_desktop.plots.seen import Turns, when_seen
from churnkit_desktop.plots.series import Series
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.tab_order import take_place
from churnkit_desktop.words import figure

_turns = Turns()


class Chart(QWidget):
    """A chart with named series.

    Parameters
    ----------
    theme : colours; the chart follows its changes
    name : for screen readers and as a file name
    x_label, y_label : with their units, such as "customers contacted (%)"
    time : whether x are seconds since 1970, shown as dates
    """

    def __init__(
        self, theme: Theme, name: str, *, x_label: str, y_label: str, time: bool = False
    ) -> None:
        super().__init__()
        self.setAccessibleName(tr("Chart: {name}").format(name=name))
        self.name, self._theme, self._time = name, theme, time
        self._labels = (x_label, y_label)
        self._series: dict[str, Series] = {}
        self._home: tuple[float, float] | None = None
        self.later: dict[tuple[str, str], Callable[[], None]] = {}
        """What is to be drawn when somebody looks, the latest of each."""
        self._frame: pg.PlotItem | None = None
        self._made: Plot | None = None
        self._whole = False
        self.setMinimumHeight(180)

    @property
    def plot(self) -> Plot:
        """The plot, made when it is first looked at."""
        if self._made is None:
            self.make_plot()
        assert self._made is not None
        return self._made

    @property
    def is_made(self) -> bool:
        """Whether somebody has looked at it, and all that waited is drawn."""
        return self._whole

    def make_plot(self) -> None:
        """Make the plot, if it is not there yet, and draw what waits."""
        while self.make_part():
            pass

    def make_part(self) -> bool:
        """Make the next part of the plot, or draw the next of what waits; False: it is whole."""
        if self._frame is None:
            self._frame = make_frame(*self._labels, time=self._time)
        elif self._made is None:
            self._make(self._frame)
        elif self.later:
            self.later.pop(next(iter(self.later)))()
        else:
            self._whole = True
            self._made.setUpdatesEnabled(True)
        return not self._whole

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        super().showEvent(event)
        if not self._whole:
            _turns.add(self)

    def _make(self, frame: pg.PlotItem) -> None:
        plot = self._made = make_plot(frame)
        plot.setUpdatesEnabled(False)  # until it is whole
        plot.setAccessibleName(tr("Chart: {name}").format(name=self.name))
        self.setFocusProxy(plot)
        self.legend = Legend(frame)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(plot)
        take_place(self, (plot,))
        self._hover = Hover(plot, self._series, self._say)
        self.actions_of_chart = add_actions(self, plot)
        theme = self._theme
        theme.changed.connect(self._paint)
        self.destroyed.connect(lambda: theme.changed.disconnect(self._paint))
        self._paint()

    # --- series ------------------------------------------------------------------------

    @when_seen
    def line(
        self,
        name: str,
        x: ArrayLike,
        y: ArrayLike,
        *,
        colour: int = 0,
        style: str = "solid",
        dots: bool = False,
    ) -> None:
        """Draw or update a curve.

        Parameters
        ----------
        x, y : shape (n,)
        colour : place in the theme's series
        style : solid, dash or dot
        """
        made = self._series.get(name)
        if made is None:
            curve = pg.PlotDataItem(name=name)
            curve.setDownsampling(auto=True, method="peak")
            curve.setClipToView(True)
            made = self._add(name, Series("line", curve, colour, style, dots))
        made.x, made.y = np.asarray(x, float), np.asarray(y, float)
        made.item.setData(made.x, made.y)

    @when_seen
    def points(
        self,
        name: str,
        x: ArrayLike,
        y: ArrayLike,
        texts: Sequence[str] = (),
        *,
        colour: int = 0,
        symbol: str = "o",
    ) -> None:
        """Draw or update separate points, each with a text for who looks at it closely."""
        made = self._series.get(name)
        if made is None:
            made = self._add(
                name,
                Series("points", pg.ScatterPlotItem(size=9, name=name), colour, symbol=symbol),
            )
        made.x, made.y, made.texts = np.asarray(x, float), np.asarray(y, float), tuple(texts)
        made.item.setData(made.x, made.y)

    @when_seen
    def band(
        self, name: str, x: ArrayLike, low: ArrayLike, high: ArrayLike, *, colour: int = 0
    ) -> None:
        """Draw or update the area between two curves (an interval)."""
        made = self._series.get(name)
        if made is None:
            edges = (pg.PlotCurveItem(), pg.PlotCurveItem())
            for edge in edges:
                self.plot.addItem(edge)
            made = self._add(name, Series("band", pg.FillBetweenItem(*edges), colour, edges=edges))
        made.x = np.asarray(x, float)
        made.y, made.y_high = np.asarray(low, float), np.asarray(high, float)
        made.edges[0].setData(made.x, made.y)
        made.edges[1].setData(made.x, made.y_high)

    @when_seen
    def bars(
        self, name: str, x: ArrayLike, heights: ArrayLike, width: float = 0.8, *, colour: int = 0
    ) -> None:
        """Draw or update bars centred at ``x``."""
        made = self._series.get(name)
        if made is None:
            made = self._add(
                name, Series("bars", pg.BarGraphItem(x=[0.0], height=[0.0], width=width), colour)
            )
        made.x, made.y = np.asarray(x, float), np.asarray(heights, float)
        made.item.setOpts(x=made.x, height=made.y, width=width)

    @when_seen
    def level(self, name: str, value: float, *, upright: bool = False, text: str = "") -> None:
        """Draw or move a straight line with a word at it."""
        made = self._series.get(name)
        if made is None:
            # Words stand where no legend is: at the foot of an upright line.
            options = {"position": 0.06 if upright else 0.92, "movable": False}
            item = pg.InfiniteLine(
                angle=90 if upright else 0, label=text or None, labelOpts=options
            )
            made = self._add(name, Series("level", item, -1))
        made.item.setValue(value)

    @when_seen
    def slider(self, name: str, value: float, moved: Callable[[float], None]) -> None:
        """Draw or move an upright line that a person drags; the arrow keys step it, too.

        Parameters
        ----------
        moved : told of every place that it is dragged to
        """
        made = self._series.get(name)
        if made is None:
            item = pg.InfiniteLine(angle=90, movable=True)
            item.setZValue(50)
            item.sigDragged.connect(lambda line: moved(float(line.value())))
            made = self._add(name, Series("slider", item, 0))
        if not made.item.moving:
            made.item.setValue(value)

    @when_seen
    def ticks(self, names: Sequence[tuple[float, str]], *, side: str = "bottom") -> None:
        """Words instead of numbers at an axis."""
        self.plot.getAxis(side).setTicks([list(names)])

    @when_seen
    def units(self, y_label: str) -> None:
        """Another word, with its unit, at the left axis."""
        self.plot.getPlotItem().setLabel("left", y_label)
        self._labels = (self._labels[0], y_label)

    def drop(self, name: str) -> None:
        """Take a series out."""
        for key in [key for key in self.later if key[1] == name]:
            del self.later[key]
        made = self._series.pop(name, None)
        if made is not None:
            for part in (made.item, *made.edges):
                self.plot.removeItem(part)
            self._hover.hide()

    def clear(self) -> None:
        """Take all series out."""
        for name in self.names():
            self.drop(name)

    def names(self) -> tuple[str, ...]:
        """The series that are drawn."""
        return tuple(dict.fromkeys((*self._series, *(name for _, name in self.later if name))))

    def _add(self, name: str, made: Series) -> Series:
        self.plot.addItem(made.item)
        self._series[name] = made
        made.paint(self._theme.tokens)
        return made

    # --- the view ----------------------------------------------------------------------

    @when_seen
    def look_at(self, low: float, high: float) -> None:
        """The y range that is shown at first, and again after a reset."""
        if self._home != (low, high):
            self._home = (low, high)
            self.plot.setYRange(low, high, padding=0)

    def reset(self) -> None:
        """Show everything again, or what is worth looking at."""
        self.plot.getPlotItem().enableAutoRange()
        if self._home is not None:
            self.plot.setYRange(*self._home, padding=0)

    def zoom(self, factor: float) -> None:
        """Closer (below 1) or further away, around the middle."""
        self.plot.getPlotItem().getViewBox().scaleBy((factor, factor))

    def step(self, by: int) -> None:
        """Go from value to value by keys; a screen reader hears each."""
        said = self._hover.step(by)
        if said:
            self.plot.setAccessibleDescription(said)
            event = QAccessibleEvent(self.plot, QAccessible.Event.DescriptionChanged)
            QAccessible.updateAccessibility(event)

    # --- taking it along ---------------------------------------------------------------

    def table(self) -> list[list[object]]:
        """The drawn values: a line of titles, then one row per point."""
        self.make_plot()
        lines: list[list[object]] = [["series", *self._labels]]
        for name, made in self._series.items():
            lines += made.lines(name)
        if self._time:
            lines[1:] = [[name, _moment(x), *rest] for name, x, *rest in lines[1:]]
        return lines

    def save(self, path: Path) -> None:
        """Write the chart as PNG, SVG or CSV, as the name ends."""
        saving.save(path, self.plot, self.table(), self._theme.tokens.surface)

    def image(self) -> QImage:
        """The chart as it stands, at twice the size of the screen's points."""
        self.make_plot()
        return saving.image_of(self.plot, self._theme.tokens.surface)

    def copy_picture(self) -> None:
        """To the clipboard, as a picture."""
        QGuiApplication.clipboard().setImage(self.image())

    def copy_values(self) -> None:
        """To the clipboard, for a spreadsheet."""
        QGuiApplication.clipboard().setText(saving.text_of(self.table()))

    def _say(self, x: float) -> str:
        if self._time:
            return datetime.fromtimestamp(x, UTC).strftime(formats.moment_pattern())
        return figure(x)

    def _paint(self) -> None:
        tokens = self._theme.tokens
        paint_frame(self.plot, self.legend, tokens)
        self._hover.paint(tokens)
        for made in self._series.values():
            made.paint(tokens)


def _moment(x: object) -> str:
    """For a table that other programs read, whatever a person likes to look at."""
    return f"{datetime.fromtimestamp(float(str(x)), UTC):%Y-%m-%d %H:%M}"
