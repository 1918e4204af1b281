"""A child process seen from its parent: lines of JSON come out of it, and it can be killed.

A thread reads it. Qt's own process objects, made per job, die at moments that Qt chooses.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

_LOG_CHARS = 20_000
Said = Callable[[dict[str, Any]], None]
Ended = Callable[[int, str], None]


class ChildProcess:
    """Runs one order.

    Parameters
    ----------
    order : place and action, as plain data
    said : called with each line of the child, in a thread of its own
    ended : called once with the exit code and the end of its log, in that thread
    """

    def __init__(self, order: dict[str, Any], said: Said, ended: Ended) -> None:
        frozen = getattr(sys, "frozen", False)
        arguments = ["--child"] if frozen else ["-m", "churnkit_desktop.work.child"]
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUTF8": "1", "MPLBACKEND": "Agg"},
        )
        self._log = ""
        self._order, self._said, self._ended = order, said, ended
        self._noting = threading.Thread(target=self._note, name="console child log")
        self._reading = threading.Thread(target=self._read, name="console child")
        self._noting.start()
        self._reading.start()

    @property
    def pid(self) -> int:
        """Its number in the system."""
        return self._process.pid

    def kill(self) -> None:
        """End it now; ``ended`` is called as for any other end."""
        self._process.kill()

    def join(self) -> None:
        """Wait until it is gone and its threads are done."""
        self._reading.join()

    def _read(self) -> None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        # Its input stays open: when this process ends, however, the child sees its end.
        with contextlib.suppress(OSError):  # it died at once: the exit code says so
            process.stdin.write((json.dumps(self._order) + "\n").encode())
            process.stdin.flush()
        for line in process.stdout:
            self._said(json.loads(line))
        code = process.wait()
        self._noting.join()
        for stream in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self._ended(code, self._log)

    def _note(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self._log = (self._log + line.decode(errors="replace"))[-_LOG_CHARS:]
