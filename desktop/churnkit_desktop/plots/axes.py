"""Axes whose numbers and dates are written as a person chose."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil, inf, log10
from typing import Any

import pyqtgraph as pg
from pyqtgraph.graphicsItems.DateAxisItem import (
    DAY_SPACING,
    HOUR_SPACING,
    MINUTE_SPACING,
    MONTH_SPACING,
    SECOND_SPACING,
    YEAR_SPACING,
    TickSpec,
    ZoomLevel,
    makeMStepper,
    makeSStepper,
    makeYStepper,
)
from PySide6.QtGui import QColor, QPainter, QPen

from churnkit_desktop import formats

_SMALL, _LARGE = 1e-3, 1e15
"""Numbers below and from here on are written with a power of ten."""


class _Followed:
    """Drawn anew once a person has chosen another way of writing."""

    picture: Any
    ground: QColor | None = None
    """What the lines of the grid are drawn on."""
    _written: formats.Formats | None = None

    def paint(self, painter: Any, option: Any, widget: Any) -> None:
        """Draw the axis; what was drawn in another format is not used again."""
        if self._written != formats.in_use():
            self._written, self.picture = formats.in_use(), None
        super().paint(painter, option, widget)  # type: ignore[misc]  # of the axis beside it

    def generateDrawSpecs(self, painter: QPainter) -> Any:  # noqa: N802 - pyqtgraph's name
        """Lines, ticks and texts; a line that lets the ground through gets its mixed colour.

        They look the same, and Qt draws an opaque line some twenty times faster.
        """
        specs = super().generateDrawSpecs(painter)  # type: ignore[misc]
        if specs is None or self.ground is None:
            return specs
        axis, ticks, texts = specs
        pens = {id(pen): _opaque(pen, self.ground) for pen, _, _ in ticks}
        return axis, [(pens[id(pen)], *ends) for pen, *ends in ticks], texts


class NumberAxis(_Followed, pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """Numbers with the chosen marks between thousands and before the decimals."""

    def tickStrings(  # noqa: N802 - pyqtgraph's name
        self, values: Sequence[float], scale: float, spacing: float
    ) -> list[str]:
        """What stands at these values."""
        places = max(0, ceil(-log10(spacing * scale)))
        return [_written(value * scale, places) for value in values]


class DateAxis(_Followed, pg.DateAxisItem):  # type: ignore[misc]
    """Moments in UTC, as seconds since 1970; the closer one looks, the finer they are told."""

    def __init__(self) -> None:
        super().__init__(orientation="bottom", utcOffset=0)
        year = TickSpec(YEAR_SPACING, makeYStepper(1), "year", autoSkip=[1, 5, 10, 25])
        month = TickSpec(MONTH_SPACING, makeMStepper(1), "month")
        days = TickSpec(DAY_SPACING, makeSStepper(DAY_SPACING), "day", autoSkip=[1, 5])
        day = TickSpec(DAY_SPACING, makeSStepper(DAY_SPACING), "day")
        hours = TickSpec(HOUR_SPACING, makeSStepper(HOUR_SPACING), "minute", autoSkip=[1, 6])
        minutes = TickSpec(
            MINUTE_SPACING, makeSStepper(MINUTE_SPACING), "minute", autoSkip=[1, 5, 15]
        )
        seconds = TickSpec(
            SECOND_SPACING, makeSStepper(SECOND_SPACING), "second", autoSkip=[1, 5, 15, 30]
        )
        # The widest text of each level decides how many ticks there is room for.
        self.zoomLevels = OrderedDict(
            [
                (inf, ZoomLevel([year, month], "0000-00")),
                (5 * DAY_SPACING, ZoomLevel([month, days], "0000-00")),
                (6 * HOUR_SPACING, ZoomLevel([day, hours], "00:00 PM")),
                (15 * MINUTE_SPACING, ZoomLevel([day, minutes], "00:00 PM")),
                (30, ZoomLevel([seconds], "00:00:00 PM")),
            ]
        )

    def tickValues(  # noqa: N802 - pyqtgraph's name
        self, low: float, high: float, size: float
    ) -> list[tuple[float, list[float]]]:
        """Where ticks stand; one gives way to a coarser or an earlier one too near."""
        told: list[tuple[float, list[float]]] = []
        kept: list[float] = []
        for spacing, values in super().tickValues(low, high, size):
            free: list[float] = []
            for value in values:
                if all(abs(value - other) >= self.minSpacing for other in (*kept, *free[-1:])):
                    free.append(value)
            kept += free
            told.append((spacing, free))
        return told

    def tickStrings(  # noqa: N802 - pyqtgraph's name
        self, values: Sequence[float], _scale: float, spacing: float
    ) -> list[str]:
        """What stands at these moments."""
        kind = next(s.format for s in self.zoomLevel.tickSpecs if s.spacing == spacing)
        pattern = formats.tick_pattern(kind)
        try:
            return [datetime.fromtimestamp(value, UTC).strftime(pattern) for value in values]
        except (OverflowError, ValueError, OSError):  # zoomed out beyond the calendar
            return [""] * len(values)


def _opaque(pen: QPen, ground: QColor) -> QPen:
    colour, made = pen.color(), QPen(pen)
    share = colour.alphaF()
    red, green, blue = (
        share * over + (1 - share) * under
        for over, under in zip(
            (colour.redF(), colour.greenF(), colour.blueF()),
            (ground.redF(), ground.greenF(), ground.blueF()),
            strict=True,
        )
    )
    made.setColor(QColor.fromRgbF(red, green, blue))
    return made


def _written(value: float, places: int) -> str:
    if value and not _SMALL <= abs(value) < _LARGE:
        return formats.number(f"{value:g}")
    return formats.number(f"{value:,.{places}f}")
