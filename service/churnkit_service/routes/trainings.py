"""``/v1/trainings``: models learnt from data sets."""

from __future__ import annotations

from aiohttp import web

from churnkit.client.messages.jobs import JobsQuery
from churnkit.client.messages.trainings import Training, TrainingRequest, TrainingsPage
from churnkit.domain.jobs import Job
from churnkit.errors import JobActive, LedgerBusy, StorageUnreachable, UnknownJob
from churnkit.usecases.jobs import verbs as usecases
from churnkit_service import job_answers
from churnkit_service.asked_jobs import ask_job
from churnkit_service.endpoint import Call, Endpoint, read_body
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid


async def create(call: Call) -> web.Response:
    """Let a model be learnt."""
    asked = read_body(call, TrainingRequest)
    await call.ask(usecases.show_job, "dataset", asked.dataset_id)
    told = asked.model_dump(mode="json")
    told["money"] = {k: v for k, v in (told["money"] or {}).items() if v is not None}
    return await ask_job(call, "training", told, describe)


async def listed(call: Call) -> web.Response:
    """Trainings, page by page."""
    return await job_answers.page(call, "training", "trainings", describe)


async def show(call: Call) -> web.Response:
    """One training."""
    return await job_answers.show(call, "training", describe)


async def cancel(call: Call) -> web.Response:
    """Stop a training."""
    return await job_answers.cancel(call, "training", describe)


async def delete(call: Call) -> web.Response:
    """Delete a training; its model stays."""
    return await job_answers.delete(call, "training")


def describe(job: Job) -> Training:
    """A training as it is told."""
    return Training(
        **job_answers.common(job),
        dataset_id=job.request["dataset_id"],
        request={k: v for k, v in job.request.items() if v not in (None, [], {}, "")},
        trials=job.checkpoint.get("trials", ()),
        result=job.result,
    )


ENDPOINTS = (
    Endpoint(
        "POST", "/v1/trainings", create, "Train a model", "trainings", "operate",
        body=TrainingRequest, answers={202: (Training, "It will be trained.")},
        problems=(
            RequestInvalid, RequestInFlight, IdempotencyKeyReused, UnknownJob,
            StorageUnreachable, LedgerBusy,
        ),
        idempotent_key=True,
        description="Candidates are searched within the budget, the best is calibrated, evaluated "
        "once on customers it never saw, and admitted: the first model serves, a later one is the "
        "challenger. `stage`, `progress` and `detail` tell how far it is, `trials` what was tried. "
        "One training runs at a time.",
    ),
    Endpoint(
        "GET", "/v1/trainings", listed, "List trainings", "trainings", "read", query=JobsQuery,
        answers={200: (TrainingsPage, "A page, the newest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/trainings/{id}", show, "Show a training", "trainings", "read",
        answers={200: (Training, "How far it is, or what came of it.")},
        problems=(UnknownJob, StorageUnreachable),
    ),
    Endpoint(
        "POST", "/v1/trainings/{id}/cancel", cancel, "Stop a training", "trainings", "operate",
        answers={200: (Training, "It stops, or ended before.")},
        problems=(UnknownJob, StorageUnreachable),
        description="Nothing is admitted, unless the model was admitted a moment before.",
    ),
    Endpoint(
        "DELETE", "/v1/trainings/{id}", delete, "Delete a training", "trainings", "operate",
        answers={204: (None, "It is gone.")}, problems=(UnknownJob, JobActive, StorageUnreachable),
        description="Its model stays; a report of it can no longer be written.",
    ),
)  # fmt: skip
