"""The running rollout in one process: its arms, its readings, and a look from time to time."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from churnkit.domain.rollouts import RolloutWindow
from churnkit.errors import ChurnkitError, UnknownRollout
from churnkit.usecases.operating.online import Scorer
from churnkit.usecases.operating.rollout_serving import LiveArms

log = logging.getLogger("churnkit.rollouts")
_MOST_LATENCIES = 5_000


@dataclass(slots=True)
class _Tally:
    """One model in the running minute."""

    requests: int = 0
    failures: int = 0
    shed: int = 0
    latencies: list[float] = field(default_factory=list)


class Readings:
    """Counts how both models of a rollout do, minute by minute."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        """A name of its own: a process that begins anew in the same minute is another one."""
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._began = _minute()

    def answered(self, rollout_id: str, variant: str, seconds: float) -> None:
        """A model scored a request."""
        tally = self._tally(rollout_id, variant)
        tally.requests += 1
        if len(tally.latencies) < _MOST_LATENCIES:
            tally.latencies.append(1_000 * seconds)

    def failed(self, rollout_id: str, variant: str) -> None:
        """A model could not score a request."""
        tally = self._tally(rollout_id, variant)
        tally.requests += 1
        tally.failures += 1

    def shed(self, rollout_id: str, variant: str) -> None:
        """The silent model was not given a request."""
        self._tally(rollout_id, variant).shed += 1

    def take(self, *, now: datetime | None = None) -> Sequence[RolloutWindow]:
        """The windows that are over; they are counted no more."""
        minute = _minute(now)
        if minute == self._began or not self._tallies:
            self._began = minute if not self._tallies else self._began
            return ()
        windows = [
            RolloutWindow(
                rollout_id=rollout_id,
                process=self.process,
                variant=variant,
                at=self._began,
                requests=tally.requests,
                failures=tally.failures,
                shed=tally.shed,
                latency_ms=_high(tally.latencies),
            )
            for (rollout_id, variant), tally in self._tallies.items()
        ]
        self._tallies = {}
        self._began = minute
        return windows

    def _tally(self, rollout_id: str, variant: str) -> _Tally:
        key = (rollout_id, variant)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally()
        return tally


class RunningRollout:
    """Follows the ledger: which rollout runs, and how it shares customers out.

    Parameters
    ----------
    mark : changes when the arms may have changed; blocks
    load : makes the arms ready; blocks
    look : one look of the controller; blocks, and says whether it changed something
    keep : writes windows; blocks
    every_seconds : how often to ask for the mark
    look_seconds : how often to look; 0: never
    changed : called when the controller changed something, such as who serves
    """

    def __init__(
        self,
        *,
        mark: Callable[[], object],
        load: Callable[[LiveArms | None], LiveArms | None],
        look: Callable[[], bool],
        keep: Callable[[Sequence[RolloutWindow]], None],
        every_seconds: float,
        look_seconds: float,
        changed: Callable[[], None],
    ) -> None:
        self._mark, self._load, self._look, self._keep = mark, load, look, keep
        self._every, self._look_every = every_seconds, look_seconds
        self._changed = changed
        self._known: object = None
        self._tasks: list[asyncio.Task[None]] = []
        self._look_now = asyncio.Event()
        self._trouble = ""
        self._loaded: Scorer | None = None
        self.live: LiveArms | None = None
        """The arms that answer; None: the champion alone."""
        self.readings = Readings()

    @property
    def challenger(self) -> Scorer:
        """The model that wants to serve.

        Raises
        ------
        UnknownRollout : no rollout runs any more
        """
        if self.live is None:
            raise UnknownRollout("no rollout runs.")
        return self.live.challenger

    def ready(self, version: str) -> Scorer | None:
        """A challenger that is warm already: promoted, it serves at once."""
        known = self._loaded
        return known if known is not None and known.version == version else None

    async def start(self) -> None:
        """Learn what runs, and begin to follow."""
        await self._follow_once()
        self._tasks = [asyncio.create_task(self._follow(), name="churnkit-rollout")]
        if self._look_every > 0:
            task = asyncio.create_task(self._control(), name="churnkit-rollout-controller")
            self._tasks.append(task)

    async def close(self) -> None:
        """Stop; what was counted in the last minute is kept."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._write(self.readings.take(now=_LATER))

    def look_now(self) -> None:
        """Somebody knows that a rollout moved."""
        self._look_now.set()

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._every):
                    await self._look_now.wait()
            except TimeoutError:
                pass
            if self._look_now.is_set():
                self._look_now.clear()
                self._changed()
            await self._follow_once()
            await self._write(self.readings.take())

    async def _follow_once(self) -> None:
        try:
            mark = await asyncio.to_thread(self._mark)
            if mark == self._known:
                return
            self.live = await asyncio.to_thread(self._load, self.live)
            if self.live is not None:
                self._loaded = self.live.challenger
        except ChurnkitError as error:
            # Nobody is served worse for it: the champion answers, or the arms as they were known.
            self._told(str(error))
            return
        except Exception:  # a mistake of ours: the champion answers, and the next look tries again
            log.exception("rollout not loaded")
            return
        self._known, self._trouble = mark, ""

    async def _control(self) -> None:
        while True:
            # Replicas look at different moments, so that mostly one of them has work.
            await asyncio.sleep(self._look_every * random.uniform(0.5, 1.5))
            try:
                if await asyncio.to_thread(self._look):
                    self.look_now()
            except ChurnkitError as error:
                self._told(str(error))
            except Exception:  # a mistake of ours must not end the looks
                log.exception("the controller could not look")

    async def _write(self, windows: Sequence[RolloutWindow]) -> None:
        if not windows:
            return
        try:
            await asyncio.to_thread(self._keep, windows)
        except ChurnkitError as error:
            log.warning("readings not kept", extra={"error": error.to_json()})
        except Exception:  # a mistake of ours: readings are lost, answers are not
            log.exception("readings not kept")

    def _told(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("rollout", extra={"error": trouble})
        self._trouble = trouble


_LATER = datetime(9_999, 1, 1, tzinfo=UTC)


def _minute(now: datetime | None = None) -> datetime:
    moment = now or datetime.fromtimestamp(time.time(), UTC)
    return moment.replace(second=0, microsecond=0)


def _high(values: Sequence[float]) -> float:
    """The 95th percentile."""
    ordered = sorted(values)
    return ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)] if ordered else 0.0
