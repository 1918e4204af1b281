"""One process of the installation: started, watched, started again, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_LOOK_SECONDS = 0.05


class NotStarted(Exception):
    """A part does not become ready."""


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Ctrl-C waits until the new process is noted: one that nobody notes would never be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled by the main thread
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for one in came:
        signal.raise_signal(one)


@dataclass
class Part:
    """A program, in a process group of its own: Ctrl-C reaches only who started it.

    Parameters
    ----------
    ready : whether it answers
    """

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool]
    environ: Mapping[str, str] = field(default_factory=dict)
    wanted: bool = False
    """Whether it should run; a part that ends though it is wanted is started again."""
    restarts: int = 0
    answered: bool = False
    """Whether it was ready once: then it starts as it should, whatever happened to it."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs."""
        return self.process.pid if self.process is not None and self.runs else None

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Begin; it may not be ready yet."""
        self.wanted = True
        with self.log.open("ab") as log, _signals_wait():
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, seconds: float = 120.0) -> None:
        """Until it answers.

        Raises
        ------
        NotStarted : it ended, or did not answer for so long
        """
        end = time.monotonic() + seconds
        while not (self.runs and self.ready()):
            hopeless = not (self.runs or self.restarts or self.answered)
            if time.monotonic() > end or hopeless:
                raise NotStarted(f"'{self.name}' does not start; its log ends: {self.said()}")
            time.sleep(_LOOK_SECONDS)  # a program does not say when it is ready
        self.answered = True

    def tell_to_end(self, number: int = signal.SIGTERM) -> None:
        """Send a signal; it is not started again."""
        self.wanted = False
        if self.process is not None and self.runs:
            self.process.send_signal(number)

    def wait_ended(self, seconds: float = 40.0) -> int | None:
        """Its exit code; who does not end by himself is killed, with all that he started."""
        if self.process is None:
            return None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return int(self.process.returncode)

    def kill(self) -> None:
        """As if the power went off; whoever watches starts it again."""
        if self.process is not None and self.runs:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def said(self) -> str:
        """The end of its log."""
        try:
            return self.log.read_text(errors="replace")[-600:].strip()
        except OSError:
            return ""
