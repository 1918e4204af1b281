"""What a console is doing, kept so that the next one can say what a killed one was interrupted in.

Beside each mark a file is locked for as long as its console lives: the system lets go of the lock
of a process that is killed, and a window that is open beside this one keeps its own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from churnkit_desktop.actions import Action
from churnkit_desktop.session.memory import PlaceMemory

_MARK = "running"


class RunningMark:
    """The mark of one window on one place.

    Parameters
    ----------
    memory : of the place
    """

    def __init__(self, memory: PlaceMemory) -> None:
        self._memory = memory
        self._key = f"{_MARK} {uuid4().hex}"
        self._lock: FileLock | None = None

    def put(self, actions: Sequence[Action]) -> None:
        """These are under way now."""
        if self._lock is None:
            if not actions:
                return
            with contextlib.suppress(OSError):  # a disk that is full: nothing can be kept, either
                self._memory.folder.mkdir(parents=True, exist_ok=True)
                lock = FileLock(self._file(self._key), thread_local=False)
                lock.acquire(timeout=0)
                self._lock = lock
        self._memory.put(self._key, [action.to_json() for action in actions])

    def take_interrupted(self) -> list[Action]:
        """What consoles did that were killed; it is told once."""
        found: list[Action] = []
        for key in self._memory.names():
            if key.split(" ")[0] != _MARK or key == self._key:
                continue
            lock = FileLock(self._file(key), thread_local=False)
            # One that ended in order has taken its file away.
            killed = self._file(key).exists()
            try:
                with lock.acquire(timeout=0):
                    if killed:
                        found += [Action.from_json(kept) for kept in self._memory.get(key)]
                    self._memory.drop(key)
            except (Timeout, OSError):
                continue  # it lives
            self._file(key).unlink(missing_ok=True)
        return found

    def drop(self) -> None:
        """This console ends in order."""
        if self._lock is not None:
            self._lock.release()
            self._file(self._key).unlink(missing_ok=True)
            self._lock = None
            self._memory.drop(self._key)

    def _file(self, key: str) -> Path:
        return self._memory.folder / f"{key.replace(' ', '-')}.lock"
