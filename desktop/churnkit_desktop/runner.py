"""Short work off the event loop: threads, and one signal that brings results back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from PySide6.QtCore import QObject, Signal

from churnkit.errors import ChurnkitError
from churnkit_desktop.language import tr

T = TypeVar("T")
Failed = Callable[[ChurnkitError], None]
_log = logging.getLogger(__name__)


class Unexpected(ChurnkitError):
    """Something that nobody foresaw: a fault of the program, told without a traceback."""


class Runs(Protocol):
    """Who runs short work for a presenter."""

    def run(
        self, lane: str, work: Callable[[], T], done: Callable[[T], None], failed: Failed
    ) -> None:
        """Run ``work`` elsewhere, then call ``done`` or ``failed`` on the event loop.

        A newer run in the same lane makes the older one's answer void.
        """


class Runner(QObject):
    """Threads that live as long as the window.

    One object relays all answers: objects made per job die at the wrong moment.
    """

    _arrived = Signal(object)

    def __init__(self, threads: int = 3) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="console")
        self._turns: dict[str, int] = {}
        self._closed = False
        self._arrived.connect(self._deliver)

    def run(
        self, lane: str, work: Callable[[], T], done: Callable[[T], None], failed: Failed
    ) -> None:
        """Run ``work`` in a thread; see :class:`Runs`."""
        if self._closed:
            return
        turn = self._turns[lane] = self._turns.get(lane, 0) + 1
        future: Future[T] = self._pool.submit(self._guard, lane, turn, work)
        future.add_done_callback(lambda f: self._arrive((lane, turn, f, done, failed)))

    def _guard(self, lane: str, turn: int, work: Callable[[], T]) -> T:
        if self._turns.get(lane) != turn:  # nobody waits any more: leave the thread to others
            raise Unexpected("superseded")
        return work()

    def _arrive(self, answer: tuple[Any, ...]) -> None:
        if not self._closed:
            self._arrived.emit(answer)

    def _deliver(self, answer: tuple[Any, ...]) -> None:
        lane, turn, future, done, failed = answer
        if self._closed or self._turns.get(lane) != turn:
            return
        error = future.exception()
        if error is None:
            done(future.result())
        elif isinstance(error, ChurnkitError):
            failed(error)
        else:
            _log.error("%s failed", lane, exc_info=error)
            failed(unexpected(error))

    def close(self) -> None:
        """Wait for the threads; their answers are dropped."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)


def unexpected(error: BaseException) -> Unexpected:
    """An error of the program as one that can be shown."""
    return Unexpected(
        tr("this should not have happened ({name}: {error}).").format(
            name=type(error).__name__, error=error
        ),
        fix=tr("Try again; if it stays, report it with the log ('Help → Show the log')."),
    )
