"""What goes wrong, at random and in an order that a seed repeats."""

from __future__ import annotations

import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

from churnkit_stack.addresses import REPLICAS
from churnkit_stack.stack import Stack

Tell = Callable[[str], None]
KINDS = (
    "replica killed",
    "rolling restart",
    "consumer killed",
    "database crashed",
    "database hangs",
    "broker restarted",
    "slow client",
)
SPARED = REPLICAS - 1
"""The replica that is left alone in the second part of a run."""


class Faults:
    """Does one thing after the other until told to stop; each kind once before any comes again.

    Parameters
    ----------
    pause : shortest and longest rest between two, in seconds
    spare_after : from this second on the last replica and the consumer are not ended any more, so
        that their memory can be looked at for long; None: nobody is spared
    """

    def __init__(
        self,
        stack: Stack,
        key: str,
        *,
        seed: int,
        pause: tuple[float, float],
        spare_after: float | None = None,
        tell: Tell,
    ) -> None:
        self._stack, self._key, self._pause, self._tell = stack, key, pause, tell
        self._spare_after = spare_after
        self._dice = random.Random(f"{seed}/faults")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._began = 0.0
        self.done: Counter[str] = Counter()
        self.trouble = ""

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End the fault of the moment, and wait until all answers again."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(180)

    @property
    def complete(self) -> bool:
        """Whether each kind has happened."""
        return set(self.done) == set(KINDS)

    @property
    def _sparing(self) -> bool:
        seconds = time.monotonic() - self._began
        return self._spare_after is not None and seconds >= self._spare_after

    def _run(self) -> None:
        waiting: list[str] = []
        try:
            while not self._over.wait(self._dice.uniform(*self._pause)):
                if not waiting:
                    waiting = self._dice.sample(KINDS, len(KINDS))
                kind = waiting.pop()
                if kind == "consumer killed" and self._sparing:
                    continue
                self._tell(f"  {time.monotonic() - self._began:6.0f} s  {kind}")
                self._do(kind)
                self.done[kind] += 1
        except Exception as error:  # noqa: BLE001 - the run has to know that nothing happens now
            self.trouble = f"{type(error).__name__}: {error}"

    def _do(self, kind: str) -> None:
        stack = self._stack
        # The last replica is the spared one.
        some = range(REPLICAS - 1 if self._sparing else REPLICAS)
        match kind:
            case "replica killed":
                replica = stack.replicas[self._dice.choice(some)]
                replica.kill()
                replica.wait_ready()
                stack.wait_seen()
            case "rolling restart":
                for number in some:
                    stack.restart_replica(number)
                    stack.wait_seen()
            case "consumer killed":
                stack.consumer.kill()
                stack.consumer.wait_ready()
            case "database crashed":
                with stack.database_away():
                    time.sleep(self._dice.uniform(0.2, 2.0))  # the fault lasts
                stack.wait_seen(60)
            case "database hangs":
                # Shorter and longer than service.commit_timeout_seconds.
                with stack.database_hangs():
                    time.sleep(self._dice.uniform(0.5, 4.0))  # the fault lasts
                stack.wait_seen(60)
            case "broker restarted":
                with stack.broker_away(self._dice.choice((signal.SIGTERM, signal.SIGKILL))):
                    time.sleep(self._dice.uniform(0.5, 3.0))  # the fault lasts
            case "slow client":
                self._dawdle()

    def _dawdle(self) -> None:
        """Send half a request, a byte now and then, and go away."""
        head = (
            "POST /v1/predictions HTTP/1.1\r\nHost: churnkit\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            "Content-Length: 5000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self._stack.at.proxy), 5) as line:
            line.settimeout(5)
            try:
                line.sendall(head.encode())
                for _ in range(20):
                    line.sendall(b" ")
                    if self._over.wait(0.2):
                        return
            except OSError:
                return  # the service has lost its patience, as it should
