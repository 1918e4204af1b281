"""How long the event loop did not come round, and whose fault it was."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import Qt, QTimer

TICK_MS = 2
_EACH, _LOOPS = 40, 10_000


@dataclass
class Gaps:
    """Measures from ``start`` to ``stop``; must be made on the thread of the event loop.

    A gap is the time between two turns of a timer that is due every 2 ms. What the system made
    the thread wait for a processor that others used is no stall of the console's, and Linux
    counts it for each thread (``schedstat``, the second figure): it is taken off. Waiting for
    Python's lock, for the disk or for another thread is not taken off.

    Where other programs share caches and cores, the same work also takes more of the processor's
    time. A piece of work that is always the same is timed now and then: ``slowness`` is its usual
    time by its shortest one, 1.0 on a quiet machine.
    """

    stalls: list[tuple[float, float, str]] = field(default_factory=list)
    """Of each turn: the stall and the whole gap, in ms, and what was being done."""
    own: list[tuple[float, str]] = field(default_factory=list)
    """Of each turn: what the thread itself computed, in ms of the processor, and what was done."""
    doing: str = ""
    pieces: list[float] = field(default_factory=list)
    """Of the piece of work, in ms of the processor."""

    def __post_init__(self) -> None:
        path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._waits = path.open("rb", buffering=0) if path.exists() else None
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._turn)
        self._last = (0.0, 0.0, 0.0)

    def start(self) -> None:
        """From now on."""
        self._last = self._now()
        self._timer.start()

    def stop(self) -> None:
        """Until now."""
        self._timer.stop()

    def close(self) -> None:
        """Let go of the system's file."""
        if self._waits is not None:
            self._waits.close()

    def worst(self, n: int = 5) -> list[tuple[float, float, str]]:
        """The longest stalls."""
        return sorted(self.stalls, reverse=True)[:n]

    @property
    def slowness(self) -> float:
        """How much longer work takes here and now than it would on a quiet machine."""
        return statistics.median(self.pieces) / min(self.pieces) if self.pieces else 1.0

    def _now(self) -> tuple[float, float, float]:
        waited = 0.0
        if self._waits is not None:
            self._waits.seek(0)
            waited = int(self._waits.read().split()[1]) / 1e6
        return time.perf_counter() * 1e3, waited, time.thread_time() * 1e3

    def _turn(self) -> None:
        now, waited, worked = self._now()
        gap = now - self._last[0]
        stall = gap - (waited - self._last[1]) - TICK_MS
        self.stalls.append((stall, gap, self.doing))
        self.own.append((worked - self._last[2], self.doing))
        self._last = (now, waited, worked)
        if len(self.stalls) % _EACH == 0:
            begun = time.thread_time()
            sum(i * i for i in range(_LOOPS))
            self.pieces.append((time.thread_time() - begun) * 1e3)
            self._last = self._now()
