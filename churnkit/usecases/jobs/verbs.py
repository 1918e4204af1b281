"""Jobs of the service: ask for one, look at it, cancel it, read what it made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import chain
from typing import Any

from churnkit.data.part_formats import TableFormat, render
from churnkit.domain.identifiers import time_ordered_ids
from churnkit.domain.jobs import Job, JobKind, JobPart, JobProgress
from churnkit.domain.recording import IdempotentAnswer
from churnkit.errors import JobActive, JobGivenUp, JobHasNoResult, UnknownJob
from churnkit.ledger import job_claims, jobs
from churnkit.ledger.idempotent import find_answer
from churnkit.ledger.jobs import Place
from churnkit.project import Project
from churnkit.usecases.jobs.batch_answers import FAILED, FAILED_SCHEMA, RESULT, result_schema
from churnkit.usecases.jobs.work import INPUT, now, told_error

_IDLE_UPLOAD_SECONDS = 600.0


def new_job(kind: JobKind, owner: str, request: Mapping[str, Any], *, uploading: bool) -> Job:
    """A job that nobody knows of yet.

    Parameters
    ----------
    owner : the API key that asks
    request : what is asked, as plain data
    """
    at = now()
    (job_id,) = time_ordered_ids(1, int(at.timestamp() * 1000))
    return Job(
        job_id=job_id,
        kind=kind,
        state="uploading" if uploading else "queued",
        owner=owner,
        request=dict(request),
        created_at=at,
        stage="waiting",
    )


def submit_job(project: Project, job: Job, answer: IdempotentAnswer | None = None) -> bool:
    """Keep a new job; False when its Idempotency-Key was there already."""
    return jobs.insert_job(project.ledger.engine, job, answer)


def add_upload(project: Project, job_id: str, number: int, content: bytes) -> None:
    """Keep the next part of what is being uploaded for a job."""
    jobs.add_part(project.ledger.engine, job_id, JobPart(INPUT, number, content), now())


def submit_upload(
    project: Project,
    job_id: str,
    request: Mapping[str, Any],
    answer: IdempotentAnswer | None = None,
) -> bool:
    """Let a job begin whose upload is complete; False when its Idempotency-Key was there."""
    return jobs.submit_job(project.ledger.engine, job_id, request, answer)


def drop_upload(project: Project, job_id: str) -> None:
    """Forget what was uploaded for a job."""
    jobs.delete_job(project.ledger.engine, job_id)


def key_is_known(project: Project, owner: str, key: str) -> bool:
    """Whether something was answered under an Idempotency-Key before."""
    return find_answer(project.ledger.engine, owner, key) is not None


def show_job(project: Project, kind: JobKind, job_id: str) -> Job:
    """A job.

    Raises
    ------
    UnknownJob : there is none of this kind with this id
    """
    found = jobs.find_job(project.ledger.engine, job_id, kind)
    if found is None:
        raise _unknown(kind)
    return found


def list_jobs(
    project: Project, kind: JobKind, *, state: str | None, after: Place | None, limit: int
) -> tuple[Job, ...]:
    """Jobs of a kind, the newest first."""
    return jobs.jobs_page(project.ledger.engine, kind, state=state, after=after, limit=limit)


def cancel_job(project: Project, kind: JobKind, job_id: str) -> Job:
    """Ask a job to stop; one that ended stays as it is.

    Raises
    ------
    UnknownJob : there is none of this kind with this id
    """
    found = jobs.cancel_job(project.ledger.engine, job_id, kind, now())
    if found is None:
        raise _unknown(kind)
    return found


def delete_job(project: Project, kind: JobKind, job_id: str) -> None:
    """Delete a job that is over, with its files; what it recorded stays in the ledger.

    Raises
    ------
    UnknownJob : there is none of this kind with this id
    JobActive : it is not over
    """
    found = show_job(project, kind, job_id)
    if not found.ended or not jobs.delete_job(project.ledger.engine, job_id):
        raise JobActive(
            f"the {kind} is {found.state}.", fix="Cancel it first, or wait until it is over."
        )


def delete_old_jobs(project: Project) -> int:
    """Delete jobs that are over for longer than they are kept, and uploads that broke off."""
    settings, at = project.settings.service, now()
    return jobs.delete_old_jobs(
        project.ledger.engine,
        ended_before=at - timedelta(hours=settings.job_hours),
        lasting=("dataset", "training"),
        lasting_before=at - timedelta(hours=settings.dataset_hours),
        idle_seconds=_IDLE_UPLOAD_SECONDS,
        now=at,
    )


def count_waiting(project: Project) -> dict[tuple[str, str], int]:
    """By kind and state, how many jobs wait or run."""
    return jobs.count_waiting(project.ledger.engine)


def keep_claim(project: Project, job: Job) -> None:
    """Say that a job that was taken is about to begin: its process is starting.

    Raises
    ------
    ClaimLost : another process has the job
    """
    waiting = JobProgress(stage=job.stage, detail=job.detail)
    job_claims.keep_claim(project.ledger.engine, job, waiting, now())


def claim_job(project: Project) -> Job | None:
    """Take a job to work on it; None: there is nothing to do."""
    settings = project.settings.service
    times = settings.job_attempts
    given_up = JobGivenUp(
        f"its process died {times} times without getting on.",
        fix="The service's log says why: too little memory, for example.",
    )
    return job_claims.claim_job(
        project.ledger.engine,
        lease_seconds=settings.job_lease_seconds,
        most_attempts=times,
        now=now(),
        too_often=told_error(given_up),
    )


def release_job(project: Project, job: Job, *, in_order: bool = False) -> bool:
    """Let another process take a job whose process is gone."""
    return job_claims.release_job(project.ledger.engine, job, now(), in_order=in_order)


def batch_result(
    project: Project, job_id: str, form: TableFormat, *, failed: bool
) -> Iterator[bytes]:
    """A batch's scores, or its rows that were set aside, as a file, piece by piece.

    Raises
    ------
    UnknownJob : there is no such batch
    JobActive : it is not over
    """
    job = show_job(project, "batch", job_id)
    if not job.ended:
        raise JobActive(f"the batch is {job.state}.", fix="Wait until it is over.")
    schema = FAILED_SCHEMA if failed else result_schema(int(job.request.get("reasons", 0)))
    return render(file_parts(project, job_id, FAILED if failed else RESULT), schema, form)


def file_parts(project: Project, job_id: str, name: str) -> Iterator[bytes]:
    """One of a job's files, part by part."""
    number = -1
    while part := jobs.next_part(project.ledger.engine, job_id, name, number):
        yield part.content
        number = part.number


def whole_file(project: Project, kind: JobKind, job_id: str, name: str) -> bytes:
    """One of a finished job's files, one that is small.

    Raises
    ------
    UnknownJob : there is no such job
    JobActive : it is not over
    JobHasNoResult : it has no such file
    """
    return b"".join(large_file(project, kind, job_id, name))


def large_file(project: Project, kind: JobKind, job_id: str, name: str) -> Iterator[bytes]:
    """One of a finished job's files, piece by piece.

    Raises
    ------
    UnknownJob : there is no such job
    JobActive : it is not over
    JobHasNoResult : it has no such file
    """
    job = show_job(project, kind, job_id)
    if not job.ended:
        raise JobActive(f"the {kind} is {job.state}.", fix="Wait until it is over.")
    pieces = file_parts(project, job_id, name)
    first = next(pieces, None)
    if first is None:
        raise JobHasNoResult(
            f"the {kind} {job.state}, and has no {name}.", fix="Look at its error, and ask anew."
        )
    return chain((first,), pieces)


def _unknown(kind: JobKind) -> UnknownJob:
    return UnknownJob(
        f"there is no {kind} with this id.", fix="It may have been deleted; the list shows all."
    )
