"""Jobs of the service from ordinary Python code: asked for, waited for, fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call
from churnkit.client.calls import batches, learning
from churnkit.client.calls.jobs import (
    BATCHES,
    DATASETS,
    FEATURES,
    REPORTS,
    TRAININGS,
    Resource,
)
from churnkit.client.files import Download, File
from churnkit.client.messages.batches import Batch, TableFormat
from churnkit.client.messages.datasets import Dataset, DatasetProfile
from churnkit.client.messages.features import FeatureJob
from churnkit.client.messages.jobs import Job
from churnkit.client.messages.reports import Report
from churnkit.client.messages.trainings import Training
from churnkit.errors import ServiceUnreachable

M = TypeVar("M", bound=BaseModel)
J = TypeVar("J", bound=Job)
FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 2.0


class Sender(Protocol):
    """Sends requests (see ``churnkit.client.blocking.Client``)."""

    def send(self, call: Call[M]) -> M: ...
    def download(self, asked: Download, path: Path | str) -> Path: ...


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


class Jobs(Generic[J]):
    """Jobs of one kind."""

    def __init__(self, client: Sender, resource: Resource[J, Any]) -> None:
        self._client = client
        self._resource = resource

    def show(self, job_id: str) -> J:
        """One job as it is now."""
        return self._client.send(self._resource.show(job_id))

    def wait_for(
        self,
        job: J,
        *,
        timeout_seconds: float | None = None,
        progress: Callable[[J], None] | None = None,
    ) -> J:
        """A job when it is over; its ``state`` says how it ended.

        Parameters
        ----------
        timeout_seconds : None: as long as it takes
        progress : hears of the job each time that it is looked at: often at first, then less so

        Raises
        ------
        ServiceUnreachable : it was not over after so long
        """
        end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pause = FIRST_SECONDS
        while not job.ended:
            if end is not None and time.monotonic() + pause > end:
                raise too_long(job, timeout_seconds)
            time.sleep(pause)  # this client blocks; the service has no call that waits for a job
            pause = next_pause(pause)
            job = self.show(job.id)
            if progress is not None:
                progress(job)
        return job

    def list(self, *, state: str | None = None, page_size: int = 100) -> Iterator[J]:
        """Jobs, the newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self._client.send(
                self._resource.listed(state=state, cursor=cursor, limit=page_size)
            )
            yield from page.jobs()
            cursor = page.next_cursor
            if cursor is None:
                return

    def cancel(self, job_id: str) -> J:
        """Stop a job; one that is over stays as it is."""
        return self._client.send(self._resource.cancel(job_id))

    def delete(self, job_id: str) -> None:
        """Delete a job that is over, with its files; what it recorded stays."""
        self._client.send(self._resource.delete(job_id))


class Batches(Jobs[Batch]):
    """Files of customers, scored by the service."""

    def __init__(self, client: Sender) -> None:
        super().__init__(client, BATCHES)

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

    def result(
        self,
        batch_id: str,
        path: Path | str,
        *,
        format: TableFormat = "csv",
        rows: Literal["scored", "failed"] = "scored",
    ) -> Path:
        """Fetch the scores, or the rows that were set aside, into a file."""
        asked = BATCHES.file(batch_id, "/result", format=format, rows=rows)
        return self._client.download(asked, path)


class Datasets(Jobs[Dataset]):
    """Files to learn from."""

    def __init__(self, client: Sender) -> None:
        super().__init__(client, DATASETS)

    def submit(
        self, file: File, *, format: Literal["csv", "parquet"] | None = None, **told: Any
    ) -> Dataset:
        """Upload a file, to be looked at; see ``calls.learning.upload_dataset``."""
        return self._client.send(learning.upload_dataset(file, format=format, **told))

    def profile(self, dataset_id: str) -> DatasetProfile:
        """A table in figures."""
        return self._client.send(learning.profile(dataset_id))


class Features(Jobs[FeatureJob]):
    """Features of logs that were uploaded."""

    def __init__(self, client: Sender) -> None:
        super().__init__(client, FEATURES)

    def submit(self, dataset_id: str, **asked: Any) -> FeatureJob:
        """Suggest, build or show features; see ``messages.features.FeaturesRequest``."""
        return self._client.send(learning.work_on_features(dataset_id, **asked))

    def definition(self, job_id: str, path: Path | str) -> Path:
        """Fetch the features as a features.toml."""
        return self._client.download(FEATURES.file(job_id, "/definition"), path)

    def result(self, job_id: str, path: Path | str) -> Path:
        """Fetch what was built into a file."""
        return self._client.download(FEATURES.file(job_id, "/result"), path)


class Trainings(Jobs[Training]):
    """Models that are learnt."""

    def __init__(self, client: Sender) -> None:
        super().__init__(client, TRAININGS)

    def submit(self, dataset_id: str, **asked: Any) -> Training:
        """Train a model; see ``messages.trainings.TrainingRequest``."""
        return self._client.send(learning.train(dataset_id, **asked))


class Reports(Jobs[Report]):
    """Reports of models that were trained by the service."""

    def __init__(self, client: Sender) -> None:
        super().__init__(client, REPORTS)

    def submit(self, version: str | None = None, *, idempotency_key: str | None = None) -> Report:
        """Write a report; None: of the champion."""
        return self._client.send(learning.report(version, idempotency_key=idempotency_key))

    def content(self, report_id: str, path: Path | str) -> Path:
        """Fetch the page into a file."""
        return self._client.download(REPORTS.file(report_id, "/content"), path)
