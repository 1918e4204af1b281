"""``/v1/reports``: what a model version is worth, as a page."""

from __future__ import annotations

from aiohttp import web

from churnkit.client.messages.jobs import JobsQuery
from churnkit.client.messages.reports import Report, ReportRequest, ReportsPage
from churnkit.domain.jobs import REPORT, Job
from churnkit.errors import (
    JobActive,
    JobHasNoResult,
    LedgerBusy,
    NoChampion,
    StorageUnreachable,
    UnknownJob,
    UnknownModelVersion,
)
from churnkit.usecases.jobs import verbs as usecases
from churnkit.usecases.models.serving import find_version
from churnkit_service import job_answers
from churnkit_service.asked_jobs import ask_job
from churnkit_service.endpoint import Call, Endpoint, read_body
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid

_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    # Values of the data are in it: nothing in it is run, and nothing is fetched.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}


async def create(call: Call) -> web.Response:
    """Let a report be written."""
    asked = read_body(call, ReportRequest)
    version = await call.ask(find_version, asked.version)
    return await ask_job(call, "report", {"version": version.version}, describe)


async def listed(call: Call) -> web.Response:
    """Reports, page by page."""
    return await job_answers.page(call, "report", "reports", describe)


async def show(call: Call) -> web.Response:
    """One report's state."""
    return await job_answers.show(call, "report", describe)


async def content(call: Call) -> web.Response:
    """The page."""
    name = job_answers.job_id_of(call, "report")
    page = await call.ask(usecases.whole_file, "report", name, REPORT)
    return web.Response(body=page, headers=_HEADERS)


async def cancel(call: Call) -> web.Response:
    """Stop a report."""
    return await job_answers.cancel(call, "report", describe)


async def delete(call: Call) -> web.Response:
    """Delete a report."""
    return await job_answers.delete(call, "report")


def describe(job: Job) -> Report:
    """A report as it is told."""
    return Report(**job_answers.common(job), version=job.request.get("version"))


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/reports", create, "Write a report", "reports", "operate",
        body=ReportRequest, answers={202: (Report, "It will be written.")},
        problems=(
            RequestInvalid, RequestInFlight, IdempotencyKeyReused, NoChampion,
            UnknownModelVersion, StorageUnreachable, LedgerBusy,
        ),
        idempotent_key=True,
        description="Of a model that was trained by this service, as long as its training and "
        "its data set are there.",
    ),
    Endpoint(
        "GET", "/v1/reports", listed, "List reports", "reports", "read", query=JobsQuery,
        answers={200: (ReportsPage, "A page, the newest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/reports/{id}", show, "Show how far a report is", "reports", "read",
        answers={200: (Report, "How far it is.")}, problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/reports/{id}/content", content, "Fetch a report", "reports", "read",
        answers={200: (None, "A page that needs no other.")}, content_type="text/html",
        problems=(UnknownJob, JobActive, JobHasNoResult, StorageUnreachable),
    ),
    Endpoint(
        "POST", "/v1/reports/{id}/cancel", cancel, "Stop a report", "reports", "operate",
        answers={200: (Report, "It stops, or ended before.")},
        problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "DELETE", "/v1/reports/{id}", delete, "Delete a report", "reports", "operate",
        answers={204: (None, "It is gone.")}, problems=(UnknownJob, JobActive, StorageUnreachable),
    ),
)  # fmt: skip
