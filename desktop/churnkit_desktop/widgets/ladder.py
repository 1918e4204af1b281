"""The stages of a rollout as a ladder: what is behind, where it stands, what is to come."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from churnkit_desktop.language import tr
from churnkit_desktop.theme.style import Theme

_RADIUS = 11.0


class Ladder(QWidget):
    """Steps from left to right; the state of each is told by its shape, not by colour alone.

    Parameters
    ----------
    theme : its colours
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._steps: tuple[tuple[str, str], ...] = ()
        self._at = 0
        self._condition = "running"
        theme.changed.connect(self.update)
        self.destroyed.connect(lambda: theme.changed.disconnect(self.update))

    def show_steps(self, steps: Sequence[tuple[str, str]], at: int, condition: str) -> None:
        """Show these steps.

        Parameters
        ----------
        steps : title and a faint line below it
        at : the step where it stands
        condition : running, paused, aborted or promoted
        """
        self._steps, self._at, self._condition = tuple(steps), at, condition
        here = steps[min(at, len(steps) - 1)][0] if steps else ""
        self.setAccessibleName(
            tr("Stages: {value}; at {here}, {condition}").format(
                value=", ".join((title for title, _ in steps)), here=here, condition=condition
            )
        )
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(640, 84)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(420, 84)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802
        if not self._steps:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tokens = self._theme.tokens
        width = self.width() / len(self._steps)
        middle = 18.0
        for i in range(len(self._steps) - 1):
            passed = i < self._at
            painter.setPen(QPen(QColor(tokens.accent if passed else tokens.line), 2))
            left, right = width * (i + 0.5) + _RADIUS, width * (i + 1.5) - _RADIUS
            painter.drawLine(QPointF(left, middle), QPointF(right, middle))
        for i, (title, below) in enumerate(self._steps):
            self._step(painter, QPointF(width * (i + 0.5), middle), i)
            here = i == self._at
            font = painter.font()
            font.setBold(here)
            painter.setFont(font)
            painter.setPen(QColor(tokens.text if i <= self._at else tokens.faint))
            box = QRectF(width * i, 36, width, 20)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignHCenter), title)
            font.setBold(False)
            painter.setFont(font)
            painter.setPen(QColor(tokens.faint))
            painter.drawText(box.translated(0, 21), int(Qt.AlignmentFlag.AlignHCenter), below)

    def _step(self, painter: QPainter, centre: QPointF, i: int) -> None:
        tokens = self._theme.tokens
        done = i < self._at or self._condition == "promoted"
        here = i == self._at and not done
        colour = QColor(tokens.accent)
        if here and self._condition == "aborted":
            colour = QColor(tokens.bad)
        elif here and self._condition == "paused":
            colour = QColor(tokens.warn)
        if done or here:
            painter.setPen(QPen(colour, 2))
            painter.setBrush(colour if done else QColor(tokens.surface))
        else:
            painter.setPen(QPen(QColor(tokens.line), 2))
            painter.setBrush(QColor(tokens.surface))
        painter.drawEllipse(centre, _RADIUS, _RADIUS)
        x, y = centre.x(), centre.y()
        if done:
            painter.setPen(QPen(QColor(tokens.on_accent), 2))
            painter.drawPolyline([QPointF(x - 5, y), QPointF(x - 1, y + 4), QPointF(x + 5, y - 4)])
        elif here and self._condition == "aborted":
            painter.drawLine(QPointF(x - 4, y - 4), QPointF(x + 4, y + 4))
            painter.drawLine(QPointF(x - 4, y + 4), QPointF(x + 4, y - 4))
        elif here and self._condition == "paused":
            painter.drawLine(QPointF(x - 3, y - 4), QPointF(x - 3, y + 4))
            painter.drawLine(QPointF(x + 3, y - 4), QPointF(x + 3, y + 4))
        elif here:
            painter.setBrush(colour)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawEllipse(centre, 4.5, 4.5)
