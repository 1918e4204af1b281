"""Memory of processes over time, and whether it grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from churnkit_stack.processes import resident_bytes

_EVERY_SECONDS = 1.0
_FEWEST_LOOKS = 20
LONG_SECONDS = 300.0
"""A process that lived for so long is judged; a younger one still fills its caches."""
_FILLING_SECONDS, _FILLING_SHARE = 60.0, 0.5
"""Caches fill at the beginning: so long, but at least this share of what was seen, is left out."""
FLAT_BYTES_PER_MINUTE = 1e6
"""What counts as flat: an allocator keeps a few pages more, now and then."""


@dataclass
class Curve:
    """One process's memory: seconds since it was first seen, and bytes."""

    name: str
    seconds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def lived(self) -> float:
        """Seconds for which it was seen."""
        return self.seconds[-1] if self.seconds else 0.0

    @property
    def warm_after(self) -> float:
        """Seconds at the beginning that are left out."""
        return max(_FILLING_SECONDS, _FILLING_SHARE * self.lived)

    def slope(self, after: float) -> float | None:
        """Growth in bytes per minute by least squares; None: it was not seen for long enough.

        Parameters
        ----------
        after : so many seconds at the beginning are left out
        """
        points = [(x, y) for x, y in zip(self.seconds, self.sizes, strict=True) if x >= after]
        if len(points) < _FEWEST_LOOKS:
            return None
        n = len(points)
        mean_x = sum(x for x, _ in points) / n
        mean_y = sum(y for _, y in points) / n
        across = sum((x - mean_x) ** 2 for x, _ in points)
        return 60 * sum((x - mean_x) * (y - mean_y) for x, y in points) / across

    @property
    def judged(self) -> bool:
        """Whether it was seen for long enough to say that it is flat."""
        return self.lived >= LONG_SECONDS

    @property
    def grows(self) -> bool:
        """Whether it was seen for long enough, and is not flat."""
        slope = self.slope(self.warm_after)
        return self.judged and slope is not None and slope > FLAT_BYTES_PER_MINUTE

    def __str__(self) -> str:
        slope = self.slope(self.warm_after)
        sizes = [size / 1e6 for size in self.sizes]
        told = (
            f"{self.name:<12}{self.lived:>7,.0f} s {sizes[0]:>7,.0f} {max(sizes):>7,.0f}"
            f" {sizes[-1]:>7,.0f} MB"
        )
        if slope is None or not self.judged:
            return f"{told}  too young to judge"
        return f"{told}  {slope / 1e6:+.2f} MB a minute{'  GROWS' if self.grows else ''}"


HEAD = f"{'process':<12}{'lived':>9} {'first':>7} {'most':>7} {'last':>10}"
"""Above curves that are told one below the other."""


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
