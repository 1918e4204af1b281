"""Python's garbage is collected on the event loop, between two turns, and a little at a time.

By itself Python collects wherever something is made: in a worker's thread, where Qt must not
destroy a widget (the process hangs or dies), or within a call of Qt's that walks over all widgets,
such as setting a style sheet, which then meets one that is gone. And a full collection goes
through everything that was ever imported, which takes longer than a turn of the event loop may.
"""

from __future__ import annotations

import gc
import sys

from PySide6.QtCore import QObject, QTimer

TICK_MS = 500
FULL_EVERY = 20
"""Ticks between two collections of what has lived for long."""
MOST = 60_000
"""What outlives a full collection and is more than this is not gone through again."""


class Garbage(QObject):
    """Collects instead of Python; make it on the thread of the event loop.

    Parameters
    ----------
    parent : lives as long
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ticks = 0
        self._modules = 0
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)

    def start(self) -> None:
        """From now on; what is there already is taken to stay."""
        gc.disable()
        gc.freeze()
        self._modules = len(sys.modules)
        self._timer.start()

    def stop(self) -> None:
        """Leave it to Python again, after a last collection here."""
        self._timer.stop()
        gc.collect()
        gc.unfreeze()
        gc.enable()

    def tick(self) -> None:
        """Collect what is young, now and then all; what was imported meanwhile stays, unseen."""
        self._ticks += 1
        full = self._ticks % FULL_EVERY == 0
        before, self._modules = self._modules, len(sys.modules)
        if self._modules > before:
            gc.freeze()
            return
        gc.collect(2 if full else 1)
        if full and len(gc.get_objects(generation=2)) > MOST:
            gc.freeze()
