"""``/v1/batches``: score files of customers."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web

from churnkit.client.messages.batches import Batch, BatchesPage, BatchQuery, BrokenRow, ResultQuery
from churnkit.client.messages.jobs import JobsQuery
from churnkit.domain.jobs import Job
from churnkit.errors import JobActive, LedgerBusy, StorageUnreachable, UnknownJob
from churnkit.usecases.jobs import verbs as usecases
from churnkit.usecases.jobs.batch_answers import BatchRequest
from churnkit.usecases.jobs.batches import Tally
from churnkit_service import job_answers
from churnkit_service.downloads import stream
from churnkit_service.endpoint import Call, Endpoint, read_query
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid
from churnkit_service.uploaded_jobs import upload_job
from churnkit_service.uploads import CSV, NDJSON, PARQUET, UPLOAD_TYPES, Received

_TYPES = {"csv": f"{CSV}; charset=utf-8", "ndjson": NDJSON, "parquet": PARQUET}


async def create(call: Call) -> web.Response:
    """Take a file in; it is scored afterwards."""
    asked = read_query(call, BatchQuery)

    def request_of(received: Received) -> dict[str, Any]:
        return BatchRequest(
            format=received.form,
            record=asked.record == "true",
            reasons=asked.reasons,
            on_error=asked.on_error,
            as_of=asked.as_of,
        ).model_dump(mode="json")

    return await upload_job(call, "batch", asked.format, request_of, describe)


async def listed(call: Call) -> web.Response:
    """Batches, page by page."""
    return await job_answers.page(call, "batch", "batches", describe)


async def show(call: Call) -> web.Response:
    """One batch."""
    return await job_answers.show(call, "batch", describe)


async def cancel(call: Call) -> web.Response:
    """Stop a batch; what was scored stays."""
    return await job_answers.cancel(call, "batch", describe)


async def result(call: Call) -> web.StreamResponse:
    """A batch's scores as a file."""
    name = job_answers.job_id_of(call, "batch")
    asked = read_query(call, ResultQuery)
    return await stream(
        call,
        partial(
            usecases.batch_result,
            call.service.project,
            name,
            asked.format,
            failed=asked.rows == "failed",
        ),
        content_type=_TYPES[asked.format],
        name=f"{asked.rows}-{name}.{asked.format}",
    )


async def delete(call: Call) -> web.Response:
    """Delete a batch with its files."""
    return await job_answers.delete(call, "batch")


def describe(job: Job) -> Batch:
    """A batch as it is told."""
    asked = BatchRequest.model_validate(job.request)
    tally = Tally.model_validate(job.checkpoint) if job.checkpoint else None
    return Batch(
        **job_answers.common(job),
        **asked.model_dump(),
        rows=job.rows_total,
        done=job.rows_done,
        failed=job.rows_failed,
        errors=() if tally is None else tuple(BrokenRow(**f.model_dump()) for f in tally.faults),
        model_version=None if tally is None else tally.model_version,
        mean_probability=(job.result or {}).get("mean_probability"),
        risk_bands={} if tally is None else tally.bands,
        unknown_categories={} if tally is None else tally.unknown,
    )


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/batches", create, "Score a file of customers", "batches", "score",
        query=BatchQuery, body_types=UPLOAD_TYPES,
        answers={202: (Batch, "The file is here, and will be scored.")},
        problems=(
            RequestInvalid, RequestInFlight, IdempotencyKeyReused, StorageUnreachable, LedgerBusy,
        ),
        idempotent_key=True, bounded=True,
        description="CSV and Parquet have the columns that the model reads, and the customer's "
        "id. NDJSON has one object per line: such columns, or an item as of `/v1/predictions`. "
        "Rows that cannot be scored are set aside with the reason. The predictions go into the "
        "ledger with the batch's id as `request_id`.",
    ),
    Endpoint(
        "GET", "/v1/batches", listed, "List batches", "batches", "read", query=JobsQuery,
        answers={200: (BatchesPage, "A page, the newest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/batches/{id}", show, "Show a batch", "batches", "read",
        answers={200: (Batch, "How far it is.")}, problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "POST", "/v1/batches/{id}/cancel", cancel, "Stop a batch", "batches", "score",
        answers={200: (Batch, "It stops, or ended before.")},
        problems=(UnknownJob, StorageUnreachable),
        description="What was scored stays in the ledger and in the result.",
    ),
    Endpoint(
        "GET", "/v1/batches/{id}/result", result, "Fetch the scores", "batches", "read",
        query=ResultQuery, bounded=True, answer_types=(CSV, NDJSON, PARQUET),
        answers={200: (None, "A file.")},
        problems=(RequestInvalid, UnknownJob, JobActive, StorageUnreachable),
        description="Of a batch that failed or was cancelled: what was scored before.",
    ),
    Endpoint(
        "DELETE", "/v1/batches/{id}", delete, "Delete a batch with its files", "batches", "score",
        answers={204: (None, "It is gone.")}, problems=(UnknownJob, JobActive, StorageUnreachable),
        description="Its predictions stay in the ledger. Without it, a batch is deleted after "
        "`service.job_hours`.",
    ),
)  # fmt: skip
