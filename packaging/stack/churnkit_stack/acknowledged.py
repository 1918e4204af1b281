"""What the service said that it did, by where it was asked."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

UNSURE = b"storage-unreachable"
"""The kind of problem behind which a commit may yet have happened: the database was asked for it,
and did not answer in time. Who sent a key asks again, and is told what became of it."""


class Acknowledged:
    """Prediction ids and counts, noted by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.predictions: dict[str, list[str]] = defaultdict(list)
        """Source → ids of predictions that were acknowledged."""
        self.lost: Counter[str] = Counter()
        """Source → rows that were asked for, and of which nobody knows whether they are stored."""
        self.refused: Counter[str] = Counter()
        """Source → answers that said no."""
        self.counts: Counter[str] = Counter()
        """Other things that were acknowledged, such as events."""
        self.batches: dict[str, tuple[str, ...]] = {}
        """Batch that says it is finished → its customers."""
        self.outcomes: set[tuple[str, datetime]] = set()
        """Customer and date of outcomes that were acknowledged."""
        self.failures: list[str] = []
        """What must not happen."""

    def predicted(self, source: str, ids: Iterable[str]) -> None:
        """These were acknowledged."""
        with self._lock:
            self.predictions[source] += ids

    def finished(self, batch: str, customers: Sequence[str]) -> None:
        """A batch says that it scored these."""
        with self._lock:
            self.batches[batch] = tuple(customers)

    def recorded(self, outcomes: Iterable[tuple[str, datetime]]) -> None:
        """Outcomes of these customers, by their dates."""
        with self._lock:
            self.outcomes.update(outcomes)

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

    def failures_told(self, most: int = 20) -> list[str]:
        """What must not happen, each once with how often it did; the most frequent first."""
        with self._lock:
            counted = Counter(self.failures).most_common()
        told = [text if n == 1 else f"{n:,} × {text}" for text, n in counted[:most]]
        more = len(counted) - len(told)
        return [*told, f"and {more:,} other kinds"] if more else told

    @property
    def total(self) -> int:
        """Acknowledged predictions."""
        with self._lock:
            return sum(map(len, (*self.predictions.values(), *self.batches.values())))
