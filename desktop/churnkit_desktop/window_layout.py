"""Where the parts of a window stand; its size and panels, as they were the last time."""

from __future__ import annotations

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from churnkit_desktop.session.memory import Memory

FIRST_SIZE = (1280, 820)


def restore(window: QMainWindow, memory: Memory) -> None:
    """As it was left; the first size where nothing is known."""
    general = memory.general()
    geometry, layout = general.get("geometry"), general.get("layout")
    if not (geometry and window.restoreGeometry(QByteArray.fromBase64(geometry.encode()))):
        window.resize(*FIRST_SIZE)
    if layout:
        window.restoreState(QByteArray.fromBase64(layout.encode()))


def keep(window: QMainWindow, memory: Memory) -> None:
    """Remember it."""
    memory.remember(
        geometry=bytes(window.saveGeometry().toBase64().data()).decode(),
        layout=bytes(window.saveState().toBase64().data()).decode(),
    )


def forget(window: QMainWindow, memory: Memory) -> None:
    """The first size, now and the next time."""
    memory.remember(geometry="", layout="")
    window.showNormal()
    window.resize(*FIRST_SIZE)


def beside(navigation: QWidget, above: tuple[QWidget, ...], stack: QWidget) -> QWidget:
    """The navigation at the left; at its right banners above the screens."""
    centre = QWidget()
    side, right = QHBoxLayout(centre), QVBoxLayout()
    side.addWidget(navigation)
    for line in (side, right):
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
    for banner in above:
        right.addWidget(banner)
    right.addWidget(stack, 1)
    side.addLayout(right, 1)
    return centre
