"""The shares of the risk bands as one bar, with words: risk never speaks by colour alone."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from churnkit_desktop.language import tr
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.words import percent, whole

BANDS = ("high", "medium", "low")


class BandBar(QWidget):
    """High, medium and low risk beside each other.

    Parameters
    ----------
    theme : its colours
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._bands: dict[str, int] = {}
        theme.changed.connect(self.update)
        self.destroyed.connect(lambda: theme.changed.disconnect(self.update))

    def show_bands(self, bands: Mapping[str, int]) -> None:
        """Show these counts."""
        self._bands = {band: int(bands.get(band, 0)) for band in BANDS}
        self.setAccessibleName(
            tr("Risk: ") + ", ".join(f"{band} {n}" for band, n in self._bands.items())
        )
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(360, 74)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(260, 74)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        total = sum(self._bands.values())
        tokens = self._theme.tokens
        wide = float(self.width())
        if not total:
            painter.setPen(QColor(tokens.line))
            painter.setBrush(QColor(tokens.raised))
            painter.drawRoundedRect(QRectF(0.5, 0.5, wide - 1, 21), 6, 6)
            return
        x = 0.0
        for band, n in self._bands.items():
            share = n / total * wide
            painter.fillRect(QRectF(x, 0, max(share - 2, 1), 22), QColor(tokens.band(band)))
            x += share
        column = wide / len(BANDS)
        for i, (band, n) in enumerate(self._bands.items()):
            left = i * column
            painter.fillRect(QRectF(left, 36, 9, 9), QColor(tokens.band(band)))
            painter.setPen(QColor(tokens.text))
            painter.drawText(
                QRectF(left + 15, 30, column - 15, 20), f"{band}  {percent(n / total)}"
            )
            painter.setPen(QColor(tokens.faint))
            painter.drawText(
                QRectF(left + 15, 50, column - 15, 20), tr("{n} customers").format(n=whole(n))
            )
