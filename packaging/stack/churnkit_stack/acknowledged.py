"""What the service said that it did, by where it was asked."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable


class Acknowledged:
    """Prediction ids and counts, noted by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.predictions: dict[str, list[str]] = defaultdict(list)
        """Source → ids of predictions that were acknowledged."""
        self.lost: Counter[str] = Counter()
        """Source → rows that were asked for, and whose answer never came."""
        self.refused: Counter[str] = Counter()
        """Source → answers that said no."""
        self.counts: Counter[str] = Counter()
        """Other things that were acknowledged, such as events."""
        self.batches: dict[str, int] = {}
        """Batch → rows that it says it scored."""
        self.failures: list[str] = []
        """What must not happen."""

    def predicted(self, source: str, ids: Iterable[str]) -> None:
        """These were acknowledged."""
        with self._lock:
            self.predictions[source] += ids

    def count(self, what: str, n: int = 1) -> None:
        """So many more of something."""
        with self._lock:
            self.counts[what] += n

    def no_answer(self, source: str, rows: int) -> None:
        """Whether these were done is not known."""
        with self._lock:
            self.lost[source] += rows

    def said_no(self, source: str) -> None:
        """A request was refused; nothing was done."""
        with self._lock:
            self.refused[source] += 1

    def failed(self, text: str) -> None:
        """Something that must not happen."""
        with self._lock:
            self.failures.append(text)

    @property
    def total(self) -> int:
        """Acknowledged predictions."""
        with self._lock:
            return sum(map(len, self.predictions.values()))
