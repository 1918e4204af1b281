"""When to send a request again: later each time, not all at once, and not for ever."""

from __future__ import annotations

import random
from collections.abc import Iterator

_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 2.0


class Patience:
    """How long to go on with one request.

    Parameters
    ----------
    seconds : after so long it is given up
    started : a monotonic clock's time, in seconds
    """

    def __init__(self, seconds: float, started: float) -> None:
        self._end = started + seconds
        self._pauses = _pauses()

    def pause(self, now: float, retry_after: str | None) -> float | None:
        """Seconds to wait before the next attempt; None: give up.

        Parameters
        ----------
        now : the same clock's time
        retry_after : the header of that name, if there was one
        """
        pause = next(self._pauses)
        if retry_after is not None and retry_after.strip().isdigit():
            # A little apart: all who were turned away must not come back in one moment.
            pause = max(pause, float(retry_after) * random.uniform(1.0, 1.25))
        return pause if now + pause < self._end else None


def _pauses() -> Iterator[float]:
    """Exponential, with full jitter."""
    limit = _FIRST_SECONDS
    while True:
        yield random.uniform(0.0, limit)
        limit = min(2 * limit, _LONGEST_SECONDS)
