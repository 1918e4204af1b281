"""Requests that all resources that are jobs know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from churnkit.client.call import Call
from churnkit.client.files import Download
from churnkit.client.messages.batches import Batch, BatchesPage
from churnkit.client.messages.datasets import Dataset, DatasetsPage
from churnkit.client.messages.features import FeatureJob, FeatureJobsPage
from churnkit.client.messages.jobs import Deleted, Job
from churnkit.client.messages.reports import Report, ReportsPage
from churnkit.client.messages.trainings import Training, TrainingsPage

J = TypeVar("J", bound=Job)
P = TypeVar("P", BatchesPage, DatasetsPage, FeatureJobsPage, ReportsPage, TrainingsPage)


@dataclass(frozen=True)
class Resource(Generic[J, P]):
    """An address where jobs of a kind are, and its messages."""

    path: str
    message: type[J]
    page: type[P]

    def at(self, job_id: str, part: str = "") -> str:
        """A job's address, or that of a part of it."""
        return f"{self.path}/{quote(job_id, safe='')}{part}"

    def show(self, job_id: str) -> Call[J]:
        """One job."""
        return Call("GET", self.at(job_id), self.message)

    def listed(self, *, state: str | None, cursor: str | None, limit: int) -> Call[P]:
        """A page of jobs, the newest first."""
        given: dict[str, Any] = {"state": state, "cursor": cursor, "limit": str(limit)}
        query = {name: value for name, value in given.items() if value is not None}
        return Call("GET", self.path, self.page, query=query)

    def cancel(self, job_id: str) -> Call[J]:
        """Stop a job."""
        return Call("POST", self.at(job_id, "/cancel"), self.message)

    def delete(self, job_id: str) -> Call[Deleted]:
        """Delete a job with its files."""
        return Call("DELETE", self.at(job_id), Deleted)

    def file(self, job_id: str, part: str, **query: str) -> Download:
        """One of a job's files."""
        return Download(self.at(job_id, part), query)


BATCHES = Resource("/v1/batches", Batch, BatchesPage)
DATASETS = Resource("/v1/datasets", Dataset, DatasetsPage)
FEATURES = Resource("/v1/features", FeatureJob, FeatureJobsPage)
TRAININGS = Resource("/v1/trainings", Training, TrainingsPage)
REPORTS = Resource("/v1/reports", Report, ReportsPage)
