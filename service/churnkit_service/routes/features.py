"""``/v1/features``: features of a log that was uploaded."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from churnkit.client.messages.features import FeatureJob, FeatureJobsPage, FeaturesRequest
from churnkit.client.messages.jobs import JobsQuery
from churnkit.domain.jobs import BUILT, DEFINITION, Job
from churnkit.errors import JobActive, JobHasNoResult, LedgerBusy, StorageUnreachable, UnknownJob
from churnkit.usecases.jobs import verbs as usecases
from churnkit_service import job_answers
from churnkit_service.asked_jobs import ask_job
from churnkit_service.downloads import stream
from churnkit_service.endpoint import Call, Endpoint, read_body
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid
from churnkit_service.uploads import CSV, PARQUET

_TYPES = {"csv": f"{CSV}; charset=utf-8", "parquet": PARQUET}


async def create(call: Call) -> web.Response:
    """Let features be suggested, built or shown."""
    asked = read_body(call, FeaturesRequest)
    await call.ask(usecases.show_job, "dataset", asked.dataset_id)
    return await ask_job(call, "features", asked.model_dump(mode="json"), describe)


async def listed(call: Call) -> web.Response:
    """Work on features, page by page."""
    return await job_answers.page(call, "features", "features", describe)


async def show(call: Call) -> web.Response:
    """What came of it."""
    return await job_answers.show(call, "features", describe)


async def definition(call: Call) -> web.Response:
    """The features as a features.toml."""
    name = job_answers.job_id_of(call, "features")
    text = await call.ask(usecases.whole_file, "features", name, DEFINITION)
    return web.Response(
        body=text,
        headers={"Content-Type": "application/toml; charset=utf-8", "Cache-Control": "no-store"},
    )


async def result(call: Call) -> web.StreamResponse:
    """The file that was built."""
    job = await job_answers.named(call, "features")
    form = str(job.request.get("format", "parquet"))
    service = call.service
    return await stream(
        call,
        partial(usecases.large_file, service.project, "features", job.job_id, BUILT),
        content_type=_TYPES[form],
        name=f"features-{job.job_id}.{form}",
    )


async def cancel(call: Call) -> web.Response:
    """Stop it."""
    return await job_answers.cancel(call, "features", describe)


async def delete(call: Call) -> web.Response:
    """Delete it with its files."""
    return await job_answers.delete(call, "features")


def describe(job: Job) -> FeatureJob:
    """Work on features as it is told."""
    return FeatureJob(
        **job_answers.common(job),
        dataset_id=job.request["dataset_id"],
        action=job.request["action"],
        **(job.result or {}),
    )


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/features", create, "Work on features", "features", "operate",
        body=FeaturesRequest, answers={202: (FeatureJob, "It will be done.")},
        problems=(
            RequestInvalid, RequestInFlight, IdempotencyKeyReused, UnknownJob,
            StorageUnreachable, LedgerBusy,
        ),
        idempotent_key=True,
        description="Of a data set that is a log of events.",
    ),
    Endpoint(
        "GET", "/v1/features", listed, "List work on features", "features", "read",
        query=JobsQuery, answers={200: (FeatureJobsPage, "A page, the newest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/features/{id}", show, "Show work on features", "features", "read",
        answers={200: (FeatureJob, "How far it is, or what came of it.")},
        problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/features/{id}/definition", definition, "Fetch the features.toml", "features",
        "read", answers={200: (None, "TOML.")}, content_type="application/toml",
        problems=(UnknownJob, JobActive, JobHasNoResult, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/features/{id}/result", result, "Fetch what was built", "features", "read",
        bounded=True, answer_types=(CSV, PARQUET), answers={200: (None, "A file.")},
        problems=(UnknownJob, JobActive, JobHasNoResult, StorageUnreachable),
    ),
    Endpoint(
        "POST", "/v1/features/{id}/cancel", cancel, "Stop work on features", "features", "operate",
        answers={200: (FeatureJob, "It stops, or ended before.")},
        problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "DELETE", "/v1/features/{id}", delete, "Delete work on features", "features", "operate",
        answers={204: (None, "It is gone.")}, problems=(UnknownJob, JobActive, StorageUnreachable),
    ),
)  # fmt: skip
