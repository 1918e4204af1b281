"""Reasons as bars to the left and right of a line: what lowers the risk, what raises it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from churnkit.domain.predictions import Explanation, Reason
from churnkit_desktop.language import tr
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.words import figure, percent, points

LINE = 42
MOST = 20


class ReasonBars(QWidget):
    """The strongest reasons of one prediction, in probability points.

    Parameters
    ----------
    theme : its colours
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._explanation: Explanation | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)
        self.destroyed.connect(lambda: theme.changed.disconnect(self.update))

    def show_explanation(self, explanation: Explanation) -> None:
        """Draw these reasons."""
        self._explanation = explanation
        self.setAccessibleName(
            tr("Reasons: ")
            + "; ".join(
                f"{r.column} {r.value}: {points(r.points)} points" for r in self._reasons()[:8]
            )
        )
        self.setFixedHeight(self.sizeHint().height())
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(320, 30 + LINE * len(self._reasons()))

    def _reasons(self) -> list[Reason]:
        if self._explanation is None:
            return []
        strong = [r for r in self._explanation.reasons if abs(r.points) >= 0.0005]
        return sorted(strong, key=lambda r: -abs(r.points))[:MOST]

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        if self._explanation is None:
            return
        tokens = self._theme.tokens
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        wide = float(self.width())
        painter.setPen(QColor(tokens.faint))
        painter.drawText(
            QRectF(0, 0, wide, 22),
            tr("starts at {base_probability}; points added or taken:").format(
                base_probability=percent(self._explanation.base_probability)
            ),
        )
        reasons = self._reasons()
        largest = max((abs(r.points) for r in reasons), default=1.0)
        middle, reach = wide * 0.5, wide * 0.5 - 64
        for i, reason in enumerate(reasons):
            top = 28.0 + i * LINE
            painter.setPen(QColor(tokens.text))
            value = "missing" if reason.value is None else _shown(reason.value)
            text = painter.fontMetrics().elidedText(
                f"{reason.column}: {value}", Qt.TextElideMode.ElideRight, int(wide) - 8
            )
            painter.drawText(QRectF(0, top, wide, 18), text)
            size = abs(reason.points) / largest * reach
            raises = reason.points > 0
            colour = QColor(tokens.bad if raises else tokens.good)
            left = middle if raises else middle - size
            painter.fillRect(QRectF(left, top + 20, max(size, 1.5), 10), colour)
            painter.setPen(QColor(tokens.line))
            painter.drawLine(QPointF(middle, top + 18), QPointF(middle, top + 32))
            painter.setPen(QColor(tokens.faint))
            if raises:
                painter.drawText(QRectF(middle + size + 6, top + 15, 58, 20), points(reason.points))
            else:
                painter.drawText(
                    QRectF(middle - size - 64, top + 15, 58, 20),
                    Qt.AlignmentFlag.AlignRight,
                    points(reason.points),
                )


def _shown(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return figure(value, 6) if isinstance(value, float) else value
