"""What a backend tells by itself: news as they happen, and whether the connection holds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from churnkit.client.messages.feed import FeedEvent


@dataclass(frozen=True)
class Outage:
    """A connection that is lost.

    Parameters
    ----------
    why : what was seen
    since, next_try : a monotonic clock's times
    waiting : requests that change something, and wait for the service
    """

    why: str
    since: float
    next_try: float
    waiting: int


class Live(Protocol):
    """A connection, looked at by the window's timer; nothing here blocks.

    Attributes
    ----------
    news : what happened and was not taken yet, the oldest first
    missed : times that not everything could be told
    feed_refused : why the service does not let this key listen; empty: it does
    """

    news: deque[FeedEvent]
    missed: int
    feed_refused: str

    @property
    def outage(self) -> Outage | None:
        """The connection is lost; None: it holds."""

    def try_now(self) -> None:
        """Do not wait until the next try."""

    def give_up(self) -> None:
        """Let all requests fail that wait for the connection; nothing of them was done."""
