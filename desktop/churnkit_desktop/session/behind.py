"""Files written on a thread of their own: a disk that is busy does not stop the window.

What waits is read as if it were written. The thread starts at once and ends when nothing waits, so
a console that is killed loses what it was told in the last instant and no more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from churnkit_desktop.session.files import write_text

_NAME = "memory"
_lock = threading.Lock()
_waiting: dict[Path, _Text] = {}
_writers: list[threading.Thread] = []
"""The thread that writes; none: nothing waits."""


@dataclass(frozen=True, eq=False)
class _Text:
    text: str
    told: Callable[[OSError | None], None]


def write_soon(path: Path, text: str, told: Callable[[OSError | None], None]) -> None:
    """Replace a file in one step, soon; of several texts for one file only the last is written.

    Parameters
    ----------
    told : hears, on the writing thread, how it went; None: well
    """
    with _lock:
        _waiting[path] = _Text(text, told)
        if not any(writer.is_alive() for writer in _writers):
            thread = threading.Thread(target=_write_all, name=_NAME)
            thread.start()  # it waits for the lock; one that cannot start is not in the list
            _writers[:] = [thread]


def waiting(path: Path) -> str | None:
    """What will stand in a file; None: what stands there."""
    with _lock:
        found = _waiting.get(path)
        return found.text if found else None


def settle() -> None:
    """Wait until all is written."""
    for thread in threading.enumerate():
        if thread.name == _NAME:
            thread.join()


def _write_all() -> None:
    while True:
        with _lock:
            if not _waiting:
                _writers.clear()
                return
            path, what = next(iter(_waiting.items()))
        trouble: OSError | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, what.text)
        except OSError as error:
            trouble = error
        with _lock:
            if _waiting.get(path) is what:
                del _waiting[path]
        what.told(trouble)
