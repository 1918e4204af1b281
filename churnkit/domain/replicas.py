"""The processes that serve, as they describe themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from churnkit.domain.frozen import Frozen


class Loaded(Frozen):
    """A model that a replica was asked to have ready.

    ``bundle_hash`` is that of the files which were checked; ``problem`` names the kind of error
    of one that could not be loaded.
    """

    model_version: str
    state: Literal["loading", "ready", "failed"]
    bundle_hash: str = ""
    seconds: float | None = None
    problem: str = ""


class Replica(Frozen):
    """One process, when it was last seen."""

    replica: str
    started_at: datetime
    seen_at: datetime
    serving: str | None
    loaded: tuple[Loaded, ...] = ()
