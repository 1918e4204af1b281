"""Jobs of the service from asyncio; the same methods as in ``churnkit.client.jobs``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call
from churnkit.client.calls import batches
from churnkit.client.files import Download, File
from churnkit.client.jobs import FIRST_SECONDS, next_pause, too_long
from churnkit.client.messages.batches import Batch, TableFormat
from churnkit.client.messages.jobs import Job

M = TypeVar("M", bound=BaseModel)
J = TypeVar("J", bound=Job)


class AsyncSender(Protocol):
    """Sends requests (see ``churnkit.client.asynchronous.AsyncClient``)."""

    async def send(self, call: Call[M]) -> M: ...
    async def download(self, asked: Download, path: Path | str) -> Path: ...


async def wait_for(
    job: J,
    look: Callable[[str], Awaitable[J]],
    *,
    timeout_seconds: float | None,
    progress: Callable[[J], None] | None,
) -> J:
    """Look at a job until it is over; see ``churnkit.client.jobs.wait_for``.

    Raises
    ------
    ServiceUnreachable : it was not over after so long
    """
    end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    pause = FIRST_SECONDS
    while not job.ended:
        if end is not None and time.monotonic() + pause > end:
            raise too_long(job, timeout_seconds)
        await asyncio.sleep(pause)
        pause = next_pause(pause)
        job = await look(job.id)
        if progress is not None:
            progress(job)
    return job


class AsyncBatches:
    """Files of customers, scored by the service."""

    def __init__(self, client: AsyncSender) -> None:
        self._client = client

    async def submit(
        self,
        file: File,
        *,
        format: TableFormat | None = None,
        record: bool = True,
        reasons: int = 0,
        on_error: Literal["skip", "fail"] = "skip",
        as_of: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Upload a file, to be scored; see ``calls.batches.submit``."""
        return await self._client.send(
            batches.submit(
                file,
                format=format,
                record=record,
                reasons=reasons,
                on_error=on_error,
                as_of=as_of,
                idempotency_key=idempotency_key,
            )
        )

    async def show(self, batch_id: str) -> Batch:
        """One batch as it is now."""
        return await self._client.send(batches.show(batch_id))

    async def wait_for(
        self,
        batch: Batch,
        *,
        timeout_seconds: float | None = None,
        progress: Callable[[Batch], None] | None = None,
    ) -> Batch:
        """The batch when it is over; its ``state`` says how it ended.

        Raises
        ------
        ServiceUnreachable : it was not over after so long
        """
        return await wait_for(batch, self.show, timeout_seconds=timeout_seconds, progress=progress)

    async def list(self, *, state: str | None = None, page_size: int = 100) -> AsyncIterator[Batch]:
        """Batches, the newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = await self._client.send(
                batches.listed(state=state, cursor=cursor, limit=page_size)
            )
            for batch in page.batches:
                yield batch
            cursor = page.next_cursor
            if cursor is None:
                return

    async def cancel(self, batch_id: str) -> Batch:
        """Stop a batch; what was scored stays."""
        return await self._client.send(batches.cancel(batch_id))

    async def result(
        self,
        batch_id: str,
        path: Path | str,
        *,
        format: TableFormat = "csv",
        rows: Literal["scored", "failed"] = "scored",
    ) -> Path:
        """Fetch the scores, or the rows that were set aside, into a file."""
        return await self._client.download(batches.result(batch_id, format=format, rows=rows), path)

    async def delete(self, batch_id: str) -> None:
        """Delete a batch that is over; its predictions stay in the ledger."""
        await self._client.send(batches.delete(batch_id))
