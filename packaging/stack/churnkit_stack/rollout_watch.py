"""The rollout of the long run, looked at as its owner would."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from churnkit.client.blocking import Client
from churnkit.client.messages.rollouts import RolloutSummary
from churnkit.errors import ChurnkitError

STALE_SECONDS = 120.0
"""The service looks every few seconds, busy or not; whatever happens, it is back after so long."""
_PATIENCE_SECONDS = 20.0


class RolloutWatch:
    """Resumes the rollout when it paused, and notes how it goes.

    Parameters
    ----------
    stages : names of the plan's stages, in their order
    """

    def __init__(self, url: str, key: str, stages: Sequence[str]) -> None:
        self._url, self._key, self._stages = url, key, stages
        self._began = time.monotonic()
        self._seen: RolloutSummary | None = None
        self.reached: dict[str, float] = {}
        """Stage → seconds after which it was first seen there."""
        self.unattended = 0.0
        """The most seconds for which nobody had looked at it while it ran."""
        self.resumed = 0

    def look(self) -> None:
        """Once more; what cannot be asked now is asked the next time."""
        try:
            with Client(self._url, key=self._key, patience_seconds=_PATIENCE_SECONDS) as client:
                self.note(client.rollouts().rollouts[-1], now=datetime.now(UTC))
                if self._seen is not None and self._seen.condition == "paused":
                    # What a person does: here the load is strange on purpose.
                    client.move_rollout(self._seen.rollout_id, "resume", why="the long run goes on")
                    self.resumed += 1
        except ChurnkitError:
            return

    def note(self, found: RolloutSummary, *, now: datetime) -> None:
        """How it stands."""
        self._seen = found
        self.reached.setdefault(found.stage, time.monotonic() - self._began)
        if found.condition == "running":
            since = found.looked_at or found.created_at
            self.unattended = max(self.unattended, (now - since).total_seconds())

    def wrong(self, *, long: bool) -> list[str]:
        """What shows that it stood still.

        Parameters
        ----------
        long : whether there was time for every stage
        """
        if self._seen is None:
            return ["nobody could ask for the rollout"]
        found = []
        if self.unattended > STALE_SECONDS:
            found.append(f"nobody looked at the rollout for {self.unattended:.0f} s")
        over, stage = self._seen.outcome is not None, self._seen.stage
        if not over and stage == self._stages[0]:
            found.append(f"the rollout did not leave '{stage}'")
        elif not over and long and stage != self._stages[-1]:
            found.append(f"the rollout did not get beyond '{stage}'")
        return found

    def __str__(self) -> str:
        if self._seen is None:
            return "not seen"
        way = ", ".join(f"'{name}' after {at:.0f} s" for name, at in self.reached.items())
        return (
            f"{self._seen.rollout_id} is {self._seen.condition} in '{self._seen.stage}' ({way}); "
            f"resumed {self.resumed} ×; never more than {self.unattended:.0f} s without a look"
        )
