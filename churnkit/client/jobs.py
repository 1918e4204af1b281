"""Jobs of the service from ordinary Python code: asked for, waited for, fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call
from churnkit.client.calls import batches
from churnkit.client.files import Download, File
from churnkit.client.messages.batches import Batch, TableFormat
from churnkit.client.messages.jobs import Job
from churnkit.errors import ServiceUnreachable

M = TypeVar("M", bound=BaseModel)
J = TypeVar("J", bound=Job)
FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 2.0


class Sender(Protocol):
    """Sends requests (see ``churnkit.client.blocking.Client``)."""

    def send(self, call: Call[M]) -> M: ...
    def download(self, asked: Download, path: Path | str) -> Path: ...


def wait_for(
    job: J,
    look: Callable[[str], J],
    *,
    timeout_seconds: float | None,
    progress: Callable[[J], None] | None,
) -> J:
    """Look at a job until it is over, at first often, then less so.

    Parameters
    ----------
    look : finds a job by its id
    timeout_seconds : None: as long as it takes
    progress : hears of the job each time

    Raises
    ------
    ServiceUnreachable : it was not over after so long
    """
    end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    pause = FIRST_SECONDS
    while not job.ended:
        if end is not None and time.monotonic() + pause > end:
            raise too_long(job, timeout_seconds)
        time.sleep(pause)
        pause = next_pause(pause)
        job = look(job.id)
        if progress is not None:
            progress(job)
    return job


def next_pause(pause: float) -> float:
    """How long to wait after a pause, in seconds."""
    return min(1.5 * pause, _LONGEST_SECONDS)


def too_long(job: Job, seconds: float | None) -> ServiceUnreachable:
    """A job is not over, and nobody wants to wait longer."""
    return ServiceUnreachable(
        f"the job is {job.state} after {seconds:g} s.",
        fix="Wait longer; it goes on in the service.",
        job=job.id,
    )


class Batches:
    """Files of customers, scored by the service."""

    def __init__(self, client: Sender) -> None:
        self._client = client

    def submit(
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
        return self._client.send(
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

    def show(self, batch_id: str) -> Batch:
        """One batch as it is now."""
        return self._client.send(batches.show(batch_id))

    def wait_for(
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
        return wait_for(batch, self.show, timeout_seconds=timeout_seconds, progress=progress)

    def list(self, *, state: str | None = None, page_size: int = 100) -> Iterator[Batch]:
        """Batches, the newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self._client.send(batches.listed(state=state, cursor=cursor, limit=page_size))
            yield from page.batches
            cursor = page.next_cursor
            if cursor is None:
                return

    def cancel(self, batch_id: str) -> Batch:
        """Stop a batch; what was scored stays."""
        return self._client.send(batches.cancel(batch_id))

    def result(
        self,
        batch_id: str,
        path: Path | str,
        *,
        format: TableFormat = "csv",
        rows: Literal["scored", "failed"] = "scored",
    ) -> Path:
        """Fetch the scores, or the rows that were set aside, into a file."""
        return self._client.download(batches.result(batch_id, format=format, rows=rows), path)

    def delete(self, batch_id: str) -> None:
        """Delete a batch that is over; its predictions stay in the ledger."""
        self._client.send(batches.delete(batch_id))
