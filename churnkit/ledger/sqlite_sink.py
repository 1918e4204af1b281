"""Groups of predictions through SQLAlchemy, in a thread of their own: the embedded ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from churnkit.domain.recording import PredictionColumns
from churnkit.errors import DiskFull, FolderReadOnly, StorageUnreachable
from churnkit.ledger import tables
from churnkit.ledger.group_commit import Entry, Refused
from churnkit.ledger.suppressions import ErasedWithin
from churnkit.ledger.transactions import writing


class SqliteSink:
    """Commits groups through an engine.

    Parameters
    ----------
    engine : of the embedded ledger
    erased : tells erased customers, of whom nothing is committed
    """

    def __init__(self, engine: sa.Engine, erased: ErasedWithin) -> None:
        self._engine = engine
        self._erased = erased
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="churnkit-writer")

    async def reconnect(self) -> None:
        """See ``Sink``."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._ping)

    async def close(self) -> None:
        """End the thread, after its last commit."""
        self._thread.shutdown(wait=True)

    async def commit(self, group: Sequence[Entry]) -> Sequence[Entry | Refused]:
        """See ``Sink``."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._commit, group)
        except sa.exc.DBAPIError as error:
            if len(group) == 1:
                return [Refused(group[0], str(error.orig))]
            outcomes: list[Entry | Refused] = []
            for entry in group:
                outcomes += await self.commit([entry])
            return outcomes
        except (DiskFull, FolderReadOnly) as error:
            raise StorageUnreachable(error.what, fix=error.fix, **error.where) from error

    def _ping(self) -> None:
        with writing(self._engine) as connection:
            connection.execute(sa.select(1))

    def _commit(self, group: Sequence[Entry]) -> Sequence[Entry]:
        taken: list[Entry] = []
        rows: list[dict[str, Any]] = []
        with writing(self._engine) as connection:
            gone = self._erased(connection, set().union(*(entry.customers() for entry in group)))
            for whole in group:
                entry = whole.without(gone) if gone else whole
                answer = entry.answer
                if answer is not None:
                    known = sa.select(tables.idempotency.c.key).where(
                        tables.idempotency.c.owner == answer.owner,
                        tables.idempotency.c.key == answer.key,
                    )
                    if connection.execute(known).first():
                        taken.append(whole)
                        continue
                    connection.execute(
                        sa.insert(tables.idempotency),
                        asdict(answer),
                    )
                for part in entry.predictions:
                    rows += _rows(part)
            if rows:
                connection.execute(sa.insert(tables.predictions), rows)
        return taken


def _rows(part: PredictionColumns) -> list[dict[str, Any]]:
    shared = {
        "model_version": part.model_version,
        "variant": part.variant,
        "made_at": part.made_at,
        "as_of": part.as_of,
        "request_id": part.request_id,
        "rollout_id": part.rollout_id,
    }
    return [
        {
            **shared,
            "prediction_id": part.prediction_ids[i],
            "customer_id": part.customer_ids[i],
            "probability": part.probabilities[i],
            "risk_band": part.risk_bands[i],
            "reasons": part.reasons[i],
            "unknown_categories": part.unknown_categories[i],
            "shadow_of": None if part.shadow_of is None else part.shadow_of[i],
        }
        for i in range(len(part))
    ]
