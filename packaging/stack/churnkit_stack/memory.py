"""Memory of processes over time, and whether it grows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_EVERY_SECONDS = 1.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int | None:
    """What a process holds in memory; None: it is not there."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None


@dataclass
class Curve:
    """One process's memory: seconds since it was first seen, and bytes."""

    name: str
    seconds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def slope(self, after: float) -> float | None:
        """Growth in bytes per minute by least squares; None: it was not seen for long enough.

        Parameters
        ----------
        after : so many seconds at the beginning are left out, in which caches fill
        """
        points = [(x, y) for x, y in zip(self.seconds, self.sizes, strict=True) if x >= after]
        if len(points) < 20:
            return None
        n = len(points)
        mean_x = sum(x for x, _ in points) / n
        mean_y = sum(y for _, y in points) / n
        across = sum((x - mean_x) ** 2 for x, _ in points)
        return 60 * sum((x - mean_x) * (y - mean_y) for x, y in points) / across

    @property
    def megabytes(self) -> tuple[float, float]:
        """First and last."""
        return self.sizes[0] / 1e6, self.sizes[-1] / 1e6


class Watching:
    """Looks once a second.

    Parameters
    ----------
    processes : gives names and process ids as they are now
    """

    def __init__(self, processes: Callable[[], Mapping[str, int]]) -> None:
        self._processes = processes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)
        self._began: dict[int, float] = {}
        self.curves: dict[int, Curve] = {}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            now = time.monotonic()
            for name, pid in self._processes().items():
                size = resident_bytes(pid)
                if size is None:
                    continue
                curve = self.curves.setdefault(pid, Curve(name))
                curve.seconds.append(now - self._began.setdefault(pid, now))
                curve.sizes.append(size)
