"""``/v1/datasets``: files to learn from."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from churnkit.client.messages.datasets import Dataset, DatasetProfile, DatasetQuery, DatasetsPage
from churnkit.client.messages.jobs import JobsQuery
from churnkit.domain.jobs import PROFILE, Job
from churnkit.errors import JobActive, JobHasNoResult, LedgerBusy, StorageUnreachable, UnknownJob
from churnkit.usecases.jobs import verbs as usecases
from churnkit.usecases.jobs.projects import DatasetRequest
from churnkit_service import job_answers
from churnkit_service.endpoint import Call, Endpoint, json_response, read_query
from churnkit_service.problems import (
    IdempotencyKeyReused,
    MediaTypeUnsupported,
    RequestInFlight,
    RequestInvalid,
)
from churnkit_service.uploaded_jobs import upload_job
from churnkit_service.uploads import CSV, PARQUET, Received

_TYPES = (CSV, PARQUET, "application/octet-stream", "multipart/form-data")


async def create(call: Call) -> web.Response:
    """Take a file in; it is looked at afterwards."""
    asked = read_query(call, DatasetQuery)

    def request_of(received: Received) -> dict[str, Any]:
        if received.form == "ndjson":
            raise MediaTypeUnsupported("a data set is CSV or Parquet.", fix="Save it as such.")
        told = asked.model_dump(exclude={"format", "activity"})
        types = (asked.activity or "").split(",")
        activity = tuple(word.strip() for word in types if word.strip())
        return DatasetRequest(**told, format=received.form, activity=activity).model_dump(
            mode="json"
        )

    return await upload_job(call, "dataset", asked.format, request_of, describe)


async def listed(call: Call) -> web.Response:
    """Data sets, page by page."""
    return await job_answers.page(call, "dataset", "datasets", describe)


async def show(call: Call) -> web.Response:
    """One data set."""
    return await job_answers.show(call, "dataset", describe)


async def profile(call: Call) -> web.Response:
    """A data set in figures."""
    name = job_answers.job_id_of(call, "dataset")
    content = await call.ask(usecases.whole_file, "dataset", name, PROFILE)
    told = DatasetProfile.model_validate_json(content)
    return json_response(told.model_dump(mode="json"))


async def cancel(call: Call) -> web.Response:
    """Stop looking at a data set."""
    return await job_answers.cancel(call, "dataset", describe)


async def delete(call: Call) -> web.Response:
    """Delete a data set with its file."""
    return await job_answers.delete(call, "dataset")


def describe(job: Job) -> Dataset:
    """A data set as it is told."""
    asked, result = DatasetRequest.model_validate(job.request), job.result or {}
    return Dataset(**job_answers.common(job), name=asked.name, **{"kind": asked.kind, **result})


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/datasets", create, "Upload a file to learn from", "datasets", "operate",
        query=DatasetQuery, body_types=_TYPES,
        answers={202: (Dataset, "The file is here, and will be looked at.")},
        problems=(
            RequestInvalid, RequestInFlight, IdempotencyKeyReused, StorageUnreachable, LedgerBusy,
        ),
        idempotent_key=True, bounded=True,
        description="A table has one row per customer and a column that says who left; a log has "
        "one row per event. Roles, figures and columns that know the answer are found. Where it is "
        "not clear which column is the target, the job fails and `error.choices` lists them.",
    ),
    Endpoint(
        "GET", "/v1/datasets", listed, "List data sets", "datasets", "read", query=JobsQuery,
        answers={200: (DatasetsPage, "A page, the newest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/datasets/{id}", show, "Show a data set", "datasets", "read",
        answers={200: (Dataset, "What was found.")}, problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/datasets/{id}/profile", profile, "Show a table in figures", "datasets", "read",
        answers={200: (DatasetProfile, "Every column in figures.")},
        problems=(UnknownJob, JobActive, JobHasNoResult, StorageUnreachable),
    ),
    Endpoint(
        "POST", "/v1/datasets/{id}/cancel", cancel, "Stop looking", "datasets", "operate",
        answers={200: (Dataset, "It stops, or ended before.")},
        problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "DELETE", "/v1/datasets/{id}", delete, "Delete a data set", "datasets", "operate",
        answers={204: (None, "It is gone.")}, problems=(UnknownJob, JobActive, StorageUnreachable),
        description="Models that were trained on it stay; their reports can no longer be written.",
    ),
)  # fmt: skip
