"""Clients that ask over HTTP until they are told to stop, and note what was acknowledged."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from types import TracebackType

from churnkit.client.blocking import Client
from churnkit_stack.acknowledged import UNSURE, Acknowledged
from churnkit_stack.asking import Asking

PATIENCE_SECONDS = 90.0
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Work = Callable[[random.Random], None]


class Load:
    """Several kinds of clients side by side.

    Parameters
    ----------
    pause_seconds : between two requests of one client
    """

    def __init__(
        self,
        url: str,
        key: str,
        asking: Asking,
        done: Acknowledged,
        *,
        seed: int = 0,
        pause_seconds: float = 0.03,
    ) -> None:
        self.url, self._key, self._asking, self.done = url, key, asking, done
        self._seed, self._pause = seed, pause_seconds
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._client = Client(url, key=key, patience_seconds=PATIENCE_SECONDS)

    def add(self, work: Work, n: int = 1) -> None:
        """So many more clients that do this again and again."""
        for _ in range(n):
            dice = random.Random(f"{self._seed}/{len(self._threads)}")
            name = f"load-{len(self._threads)}"
            self._threads.append(
                threading.Thread(target=self._run, args=(work, dice), name=name, daemon=True)
            )

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS + 30)
            if thread.is_alive():
                self.done.failed(f"a client waits for its answer for ever: {thread.name}")
        self._client.close()

    def _run(self, work: Work, dice: random.Random) -> None:
        while not self._over.is_set():
            try:
                work(dice)
            except Exception as error:  # noqa: BLE001 - a client that stopped has to be known of
                self.done.failed(f"{work.__name__}: {type(error).__name__}: {error}")
            self._over.wait(self._pause * dice.uniform(0.5, 1.5))

    # --- what they do --------------------------------------------------------------------------

    def single(self, dice: random.Random) -> None:
        """One customer, under an idempotency key that the client makes."""
        self._predict("single", 1, dice)

    def bulk(self, dice: random.Random) -> None:
        """Some fifty customers at once."""
        self._predict("bulk", dice.randrange(20, 80), dice)

    def _predict(self, source: str, n: int, dice: random.Random) -> None:
        asked = self._asking.some(source, n, dice)
        told = self._client.predict(asked, as_of=self._asking.as_of)
        self.done.predicted(source, [one.prediction_id for one in told.predictions])

    def unkeyed(self, dice: random.Random) -> None:
        """As a program without churnkit's client: no key, and no second try."""
        body = json.dumps(self._asking.body("unkeyed", 1, dice)).encode()
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.url}/v1/predictions", body, headers)
        try:
            with urllib.request.urlopen(asked, timeout=40) as answer:
                told = json.loads(answer.read())["predictions"]
        except urllib.error.HTTPError as error:
            with error:
                self._not_answered(error.code, error.read())
        except (OSError, HTTPException, ValueError):
            self.done.no_answer("unkeyed", 1)
        else:
            self.done.predicted("unkeyed", [one["prediction_id"] for one in told])

    def _not_answered(self, status: int, told: bytes) -> None:
        if status in (502, 504) or UNSURE in told:  # the proxy lost the replica on the way, or …
            self.done.no_answer("unkeyed", 1)
        elif status in (503, 429):
            self.done.said_no("unkeyed")
        else:
            self.done.failed(f"an answer with status {status}")

    def outcomes(self, dice: random.Random) -> None:
        """What became true of a few customers."""
        at = _EPOCH - timedelta(days=dice.randrange(200, 300))
        some = dice.sample(list(self._asking.customers), 3)
        # Nobody changes his mind: the same customer and date are the same outcome.
        items = [{"customer_id": name, "as_of": at, "churned": name[-1] in "369"} for name in some]
        told = self._client.record_outcomes(items)
        if told.n_new + told.n_known != len(items):
            self.done.failed(f"outcomes were not recorded: {told}")
        self.done.recorded((name, at) for name in some)
        time.sleep(self._pause)  # the load's rate

    def events(self, dice: random.Random) -> None:
        """Purchases, each under a key of its own."""
        if self._asking.features is not None:
            return  # customers come with their features: there is no log
        at = datetime.now(UTC).isoformat()
        items = [
            {
                "customer_id": name, "event_time": at, "key": f"soak-{dice.getrandbits(64):x}",
                "dollar_value": 10.0, "number_of_cds": 1,
            }
            for name in dice.sample(list(self._asking.customers), 5)
        ]  # fmt: skip
        told = self._client.send_events(items)
        if told.applied + told.duplicates != len(items):
            self.done.failed(f"events were not taken in: {told}")
        self.done.count("events", len(items))
        time.sleep(self._pause)  # the load's rate

    def batch(self, dice: random.Random) -> None:
        """A file, and its result when it is there."""
        names = list(self._asking.of("batch"))
        content = ["\n".join(["customer_id", *names]).encode()]
        job = self._client.batches.submit(content, format="csv", as_of=self._asking.as_of)
        ended = self._client.batches.wait_for(job, timeout_seconds=240)
        if ended.state != "finished":
            self.done.failed(f"a batch ended as {ended.state}: {ended}")
            self.done.no_answer("batch", len(names))
        else:
            self.done.finished(ended.id, names)
        self._over.wait(3.0)


def wait_for(done: Acknowledged, n: int, seconds: float = 120.0) -> None:
    """Until so many predictions were acknowledged.

    Raises
    ------
    TimeoutError : there were not
    """
    end = time.monotonic() + seconds
    while done.total < n:
        if time.monotonic() > end:
            raise TimeoutError(f"{done.total:,} of {n:,} predictions after {seconds:g} s")
        time.sleep(0.02)  # other threads count
