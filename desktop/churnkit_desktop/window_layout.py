"""Size, place and panels of a window, as they were the last time."""

from __future__ import annotations

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QMainWindow

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
