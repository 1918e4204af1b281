"""What goes wrong, at random and in an order that a seed repeats."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable

from churnkit_stack.stack import REPLICAS, Stack

Tell = Callable[[str], None]
KINDS = ("replica killed", "database restarted", "broker stopped", "slow client", "restart")


class Faults:
    """Does one thing after the other until told to stop; each kind once before any comes again.

    Parameters
    ----------
    pause : shortest and longest rest between two, in seconds
    """

    def __init__(
        self, stack: Stack, key: str, *, seed: int, pause: tuple[float, float], tell: Tell
    ) -> None:
        self._stack, self._key, self._pause, self._tell = stack, key, pause, tell
        self._dice = random.Random(f"{seed}/faults")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self.done: Counter[str] = Counter()
        self.trouble = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the fault of the moment, and wait until all answers again."""
        self._over.set()
        self._thread.join(180)

    def _run(self) -> None:
        waiting: list[str] = []
        began = time.monotonic()
        try:
            while not self._over.wait(self._dice.uniform(*self._pause)):
                if not waiting:
                    waiting = self._dice.sample(KINDS, len(KINDS))
                kind = waiting.pop()
                self._tell(f"  {time.monotonic() - began:6.0f} s  {kind}")
                self._do(kind)
                self.done[kind] += 1
        except Exception as error:  # noqa: BLE001 - the run has to know that nothing happens now
            self.trouble = f"{type(error).__name__}: {error}"

    def _do(self, kind: str) -> None:
        stack, number = self._stack, self._dice.randrange(REPLICAS)
        match kind:
            case "replica killed":
                stack.replicas[number].kill()
                stack.replicas[number].wait_ready()
                stack.wait_seen()
            case "database restarted":
                with stack.database_away():
                    time.sleep(self._dice.uniform(0.2, 2.0))  # the fault lasts
                stack.wait_seen(60)
            case "broker stopped":
                with stack.broker_away():
                    time.sleep(self._dice.uniform(0.5, 3.0))  # the fault lasts
            case "slow client":
                self._dawdle()
            case "restart":
                stack.restart_replica(number)
                stack.wait_seen()

    def _dawdle(self) -> None:
        """Send half a request, a byte now and then, and go away."""
        head = (
            "POST /v1/predictions HTTP/1.1\r\nHost: churnkit\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            "Content-Length: 5000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self._stack.proxy_port), 5) as line:
            line.settimeout(5)
            try:
                line.sendall(head.encode())
                for _ in range(20):
                    line.sendall(b" ")
                    if self._over.wait(0.2):
                        return
            except OSError:
                return  # the service has lost its patience, as it should
