"""When a commit is worth waiting for: those who were just answered often come back at once.

With a slow disk, clients fall into two groups that take turns: one is being committed while the
other waits, and each commit holds half of them. Where their next requests take less time than a
commit saves, one commit for all is quicker. PostgreSQL's ``commit_delay`` waits for the same
reason, and its documentation advises half the time of a flush, which is the bound here, too.
"""

from __future__ import annotations

import math

_NEW = 0.2
"""Weight of the latest commit in the mean."""
_SHORTEST = 0.001
"""Event loops have no shorter timers."""


class CommitPace:
    """Watches commits and arrivals; times are in seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.expected = 1
        """Requests that would share a commit if all who were here came back."""
        self._commit = 0.0
        self._turn = math.inf
        self._answered = 1
        self._answered_at = 0.0
        self._missing = 0

    def answered(self, n: int, *, waiting: int, took: float, now: float) -> None:
        """A commit of n requests is done; so many others wait already."""
        self._commit += (took - self._commit) * (_NEW if self._commit else 1.0)
        self.expected = n + waiting
        self._answered, self._missing, self._answered_at = n, n, now

    def came(self, now: float) -> None:
        """A request came in."""
        self._missing -= 1
        if self._missing == 0:
            self._turn = now - self._answered_at

    def patience(self, waiting: int) -> float:
        """How long the requests that wait should wait for more, in seconds."""
        if waiting >= self.expected:
            return 0.0
        most = self._commit / 2
        turn = self._turn * self.expected / self._answered
        return most if most >= _SHORTEST and turn < most else 0.0
