"""Files that another program drags over a window and lets go, as the system tells Qt of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from churnkit_desktop.main_window import MainWindow
from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent

_HOW = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
_COPY = Qt.DropAction.CopyAction


def mime_of(files: Iterable[Path | QUrl]) -> QMimeData:
    """What is dragged."""
    data = QMimeData()
    data.setUrls([f if isinstance(f, QUrl) else QUrl.fromLocalFile(str(f)) for f in files])
    return data


def drag(window: MainWindow, data: QMimeData) -> bool:
    """Come over the middle of the window; gives whether it would take it."""
    middle = window.rect().center()
    enter = QDragEnterEvent(middle, _COPY, data, *_HOW)
    QCoreApplication.sendEvent(window.windowHandle(), enter)
    move = QDragMoveEvent(middle, _COPY, data, *_HOW, QEvent.Type.DragMove)
    move.setAccepted(enter.isAccepted())  # Qt begins with the answer before
    QCoreApplication.sendEvent(window.windowHandle(), move)
    return move.isAccepted()


def leave(window: MainWindow) -> None:
    """Go away again."""
    QCoreApplication.sendEvent(window.windowHandle(), QDragLeaveEvent())


def drop(window: MainWindow, files: Iterable[Path | QUrl]) -> bool:
    """Drag and let go; gives whether the window took it."""
    data = mime_of(files)
    drag(window, data)
    middle = QPointF(window.rect().center())
    event = QDropEvent(middle, _COPY, data, *_HOW)
    QCoreApplication.sendEvent(window.windowHandle(), event)
    return event.isAccepted()
