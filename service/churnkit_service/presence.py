"""This replica among the others: what it serves and has ready, and what it is to load."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

from churnkit.domain.replicas import Replica
from churnkit.errors import StorageError
from churnkit.project import Project
from churnkit.usecases.models import serving_models as usecases
from churnkit_service.champion import Champion
from churnkit_service.queries import Queries
from churnkit_service.warm import WarmModels

_PATIENCE_SECONDS = 1.0


class Presence:
    """Tells the others of this replica, and follows what all replicas shall load.

    Parameters
    ----------
    warm : the models that this replica keeps ready
    """

    def __init__(
        self, project: Project, queries: Queries, champion: Champion, warm: WarmModels
    ) -> None:
        self.replica = os.urandom(8).hex()
        self._project = project
        self._queries = queries
        self._champion = champion
        self._warm = warm
        self._started_at = datetime.now(UTC)
        self._load: asyncio.Task[None] | None = None

    async def round(self) -> None:
        """Load what is wanted, and say what is there."""
        wanted = await self._queries.run(usecases.wanted_loads, self._project)
        if self._load is None or self._load.done():
            # Loading takes seconds: the others hear of this replica meanwhile.
            self._load = asyncio.create_task(self.load(wanted), name="churnkit-load")
        await self.tell()

    async def load(self, wanted: tuple[str, ...]) -> None:
        """Make models ready, and tell the others when they are."""
        before = self._warm.told()
        await asyncio.to_thread(self._warm.follow, wanted)
        if self._warm.told() != before:
            await self.tell()

    async def tell(self) -> None:
        """Write what this replica is."""
        now = datetime.now(UTC)
        told = Replica(
            replica=self.replica,
            started_at=self._started_at,
            seen_at=now,
            serving=self._champion.version,
            loaded=self._warm.told(),
        )
        await self._queries.run(usecases.say_alive, self._project, told)

    async def close(self) -> None:
        """Tell the others that this replica ends; they would find out by themselves, too."""
        if self._load is not None:
            await asyncio.gather(self._load, return_exceptions=True)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._queries.run(usecases.say_gone, self._project, self.replica)
        except (StorageError, TimeoutError):
            return
