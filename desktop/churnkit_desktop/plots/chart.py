"""One kind of chart for all screens: hover a value, zoom, reset, export, copy.

Curves are kept and get new data; making them anew would cost memory and time.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
import pyqtgraph.exporters
from numpy.typing import ArrayLike
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QMenu, QVBoxLayout, QWidget

from churnkit_desktop.theme.style import Theme

_DASHES = {
    "solid": Qt.PenStyle.SolidLine,
    "dash": Qt.PenStyle.DashLine,
    "dot": Qt.PenStyle.DotLine,
}


class Chart(QWidget):
    """A chart with named series.

    Parameters
    ----------
    theme : colours; the chart follows its changes
    name : for screen readers and as a file name
    x_label, y_label : with their units, such as "customers contacted (%)"
    """

    def __init__(self, theme: Theme, name: str, *, x_label: str, y_label: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.name, self._theme = name, theme
        self._labels = (x_label, y_label)
        self._series: dict[str, dict[str, Any]] = {}
        self.plot = pg.PlotWidget()
        self.plot.setMenuEnabled(False)
        self.plot.setMinimumHeight(220)
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setLabel("bottom", x_label)
        item.setLabel("left", y_label)
        item.showGrid(x=True, y=True, alpha=0.18)
        item.getViewBox().setDefaultPadding(0.03)
        self.legend = item.addLegend(offset=(-10, 10))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self._hover = pg.TextItem(anchor=(0, 1))
        self._hover.setZValue(100)
        self._hover.hide()
        self._dot = pg.ScatterPlotItem(size=9)
        self._dot.setZValue(99)
        self.plot.addItem(self._hover, ignoreBounds=True)
        self.plot.addItem(self._dot, ignoreBounds=True)
        self.plot.scene().sigMouseMoved.connect(self._moved)
        self.plot.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.plot.customContextMenuRequested.connect(self._menu)
        theme.changed.connect(self._paint)
        self.destroyed.connect(lambda: theme.changed.disconnect(self._paint))
        self._paint()

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
            self.plot.addItem(curve)
            made = self._series[name] = {
                "kind": "line",
                "item": curve,
                "colour": colour,
                "style": style,
                "dots": dots,
            }
            self._paint_one(made)
        made["x"], made["y"] = np.asarray(x, float), np.asarray(y, float)
        made["item"].setData(made["x"], made["y"])

    def band(
        self, name: str, x: ArrayLike, low: ArrayLike, high: ArrayLike, *, colour: int = 0
    ) -> None:
        """Draw or update the area between two curves (an interval)."""
        made = self._series.get(name)
        if made is None:
            lower, upper = pg.PlotCurveItem(), pg.PlotCurveItem()
            area = pg.FillBetweenItem(lower, upper)
            for item in (lower, upper, area):
                self.plot.addItem(item)
            made = self._series[name] = {
                "kind": "band",
                "item": area,
                "low": lower,
                "high": upper,
                "colour": colour,
            }
            self._paint_one(made)
        made["x"] = np.asarray(x, float)
        made["y_low"], made["y_high"] = np.asarray(low, float), np.asarray(high, float)
        made["low"].setData(made["x"], made["y_low"])
        made["high"].setData(made["x"], made["y_high"])

    def bars(
        self, name: str, x: ArrayLike, heights: ArrayLike, width: float = 0.8, *, colour: int = 0
    ) -> None:
        """Draw or update bars centred at ``x``."""
        made = self._series.get(name)
        if made is None:
            item = pg.BarGraphItem(x=[0.0], height=[0.0], width=width)
            self.plot.addItem(item)
            made = self._series[name] = {"kind": "bars", "item": item, "colour": colour}
            self._paint_one(made)
        made["x"], made["y"] = np.asarray(x, float), np.asarray(heights, float)
        made["item"].setOpts(x=made["x"], height=made["y"], width=width)

    def level(self, name: str, value: float, *, upright: bool = False, text: str = "") -> None:
        """Draw or move a straight line with a word at it."""
        made = self._series.get(name)
        if made is None:
            item = pg.InfiniteLine(
                angle=90 if upright else 0,
                label=text or None,
                labelOpts={"position": 0.92, "movable": False},
            )
            self.plot.addItem(item)
            made = self._series[name] = {"kind": "level", "item": item, "colour": -1}
            self._paint_one(made)
        made["item"].setValue(value)

    def ticks(self, names: Sequence[tuple[float, str]]) -> None:
        """Words instead of numbers below the x axis."""
        self.plot.getAxis("bottom").setTicks([list(names)])

    def drop(self, name: str) -> None:
        """Take a series out."""
        made = self._series.pop(name, None)
        if made is not None:
            for part in ("item", "low", "high"):
                if part in made:
                    self.plot.removeItem(made[part])

    def names(self) -> tuple[str, ...]:
        """The series that are drawn."""
        return tuple(self._series)

    def reset(self) -> None:
        """Show everything again."""
        self.plot.getPlotItem().enableAutoRange()

    def table(self) -> list[list[object]]:
        """The drawn values: a line of titles, then one row per point."""
        lines: list[list[object]] = [["series", *self._labels]]
        for name, made in self._series.items():
            if made["kind"] == "band":
                for x, low, high in zip(made["x"], made["y_low"], made["y_high"], strict=True):
                    lines += [[f"{name} (low)", x, low], [f"{name} (high)", x, high]]
            elif made["kind"] in ("line", "bars"):
                lines += [[name, x, y] for x, y in zip(made["x"], made["y"], strict=True)]
        return lines

    def save(self, path: Path) -> None:
        """Write the chart as PNG, SVG or CSV, as the name ends."""
        if path.suffix == ".csv":
            with path.open("w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows(self.table())
        elif path.suffix == ".svg":
            generator = QSvgGenerator()
            generator.setFileName(str(path))
            generator.setSize(self.plot.size())
            generator.setViewBox(self.plot.rect())
            painter = QPainter(generator)
            self.plot.render(painter)
            painter.end()
        else:
            self.image().save(str(path))

    def image(self) -> QImage:
        """The chart as it stands, at twice the size of the screen's points."""
        size = self.plot.size()
        image = QImage(size * 2, QImage.Format.Format_ARGB32)
        image.fill(QColor(self._theme.tokens.surface))
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.plot.render(painter, QRectF(image.rect()), self.plot.rect())
        painter.end()
        return image

    def _paint(self) -> None:
        tokens = self._theme.tokens
        self.plot.setBackground(tokens.surface)
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(pg.mkPen(tokens.line))
            axis.setTextPen(pg.mkPen(tokens.faint))
        self.legend.setLabelTextColor(tokens.text)
        self._hover.setColor(tokens.text)
        self._hover.fill = pg.mkBrush(tokens.raised)
        self._hover.border = pg.mkPen(tokens.line)
        self._dot.setBrush(pg.mkBrush(tokens.accent))
        self._dot.setPen(pg.mkPen(tokens.surface))
        for made in self._series.values():
            self._paint_one(made)

    def _paint_one(self, made: dict[str, Any]) -> None:
        tokens = self._theme.tokens
        series = tokens.series
        colour = QColor(
            tokens.faint if made["colour"] < 0 else series[made["colour"] % len(series)]
        )
        item = made["item"]
        if made["kind"] == "line":
            item.setPen(pg.mkPen(colour, width=1.6, style=_DASHES[made["style"]]))
            if made["dots"]:
                item.setSymbol("o")
                item.setSymbolSize(6)
                item.setSymbolBrush(pg.mkBrush(colour))
                item.setSymbolPen(pg.mkPen(colour))
        elif made["kind"] == "band":
            edge, fill = QColor(colour), QColor(colour)
            edge.setAlpha(90)
            fill.setAlpha(45)
            item.setBrush(pg.mkBrush(fill))
            for side in ("low", "high"):
                made[side].setPen(pg.mkPen(edge))
        elif made["kind"] == "bars":
            item.setOpts(brush=pg.mkBrush(colour), pen=pg.mkPen(None))
        else:
            item.setPen(pg.mkPen(colour, style=Qt.PenStyle.DashLine))
            if getattr(item, "label", None) is not None:
                item.label.setColor(QColor(tokens.text))

    def _moved(self, position: QPointF) -> None:
        box = self.plot.getPlotItem().getViewBox()
        if not box.sceneBoundingRect().contains(position):
            self._hover.hide()
            self._dot.clear()
            return
        mouse = box.mapSceneToView(position)
        _, high = box.viewPixelSize()
        best: tuple[float, str, float, float] | None = None
        for name, made in self._series.items():
            if made["kind"] not in ("line", "bars") or not len(made["x"]):
                continue
            i = int(np.nanargmin(np.abs(made["x"] - mouse.x())))
            x, y = float(made["x"][i]), float(made["y"][i])
            far = abs(y - mouse.y()) / (high or 1)
            if best is None or far < best[0]:
                best = (far, name, x, y)
        if best is None:
            return
        _, name, x, y = best
        right = mouse.x() > sum(box.viewRange()[0]) / 2
        self._hover.setAnchor((1, 1) if right else (0, 1))
        self._hover.setText(f" {name}: {y:,.4g}  at  {x:,.4g} ")
        self._hover.setPos(x, y)
        self._hover.show()
        self._dot.setData([x], [y])

    def _menu(self, position: Any) -> None:
        menu = QMenu(self)
        menu.addAction("Reset the view", self.reset)
        menu.addSeparator()
        menu.addAction(
            "Copy the picture", lambda: QGuiApplication.clipboard().setImage(self.image())
        )
        menu.addAction(
            "Copy the values",
            lambda: QGuiApplication.clipboard().setText(
                "\n".join("\t".join(map(str, line)) for line in self.table())
            ),
        )
        menu.addAction("Export …", self.export)
        menu.exec(self.plot.mapToGlobal(position))
        menu.deleteLater()

    def export(self) -> None:
        """Ask for a file, and write it."""
        name, _ = QFileDialog.getSaveFileName(
            self, "Export the chart", f"{self.name}.png", "PNG (*.png);;SVG (*.svg);;CSV (*.csv)"
        )
        if name:
            self.save(Path(name))
