"""Who works on a job: of all processes that share the database exactly one.

A claim is a lease with a number. Whoever has it says from time to time that he lives; when he
does not for longer than the lease, another one takes the job under a higher number. All that is
written for a job is written in a transaction that holds its row and checks the number, so that a
process that was given up, and wakes, writes nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from churnkit.domain.jobs import Job, JobKind, JobPart, JobProgress, JobState
from churnkit.errors import ClaimLost
from churnkit.ledger.jobs import (
    before,
    database_now,
    delete_files,
    document_text,
    insert_parts,
    read_job,
)
from churnkit.ledger.tables import jobs
from churnkit.ledger.transactions import writing

_CLAIM_LOCK = 0x636C61696D  # "claim"
ONE_AT_A_TIME: tuple[JobKind, ...] = ("training",)
"""Of these kinds only one job runs at once: two would make the same model version."""


def claim_job(
    engine: sa.Engine,
    *,
    lease_seconds: float,
    most_attempts: int,
    now: datetime,
    too_often: Mapping[str, Any],
) -> Job | None:
    """Take the job that waits longest, or one whose process fell silent; None: there is none.

    Parameters
    ----------
    most_attempts : a job that was taken so often without getting on is failed instead
    too_often : the error that is then kept
    """
    with writing(engine, lock=_CLAIM_LOCK) as connection:
        stale = jobs.c.seen_at < before(connection, now, lease_seconds)
        running = jobs.alias("others")
        alive = sa.select(running.c.job_id).where(
            running.c.kind == jobs.c.kind,
            running.c.state == "running",
            running.c.job_id != jobs.c.job_id,
            running.c.seen_at >= before(connection, now, lease_seconds),
        )
        query = (
            sa.select(jobs)
            .where(
                sa.or_(jobs.c.state == "queued", sa.and_(jobs.c.state == "running", stale)),
                sa.or_(jobs.c.kind.not_in(ONE_AT_A_TIME), ~alive.exists()),
            )
            .order_by(jobs.c.created_at, jobs.c.job_id)
            .limit(1)
            # A job whose process is committing is not silent: pass it over.
            .with_for_update(skip_locked=True, of=jobs)
        )
        while True:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                return None
            job = read_job(row)
            if job.cancel_requested:
                _end(connection, job.job_id, "cancelled", now, None, None, ("input",))
            elif job.attempts >= most_attempts:
                _end(connection, job.job_id, "failed", now, None, too_often, ("input",))
            else:
                break
        taken = job.model_copy(
            update={
                "state": "running",
                "claim": job.claim + 1,
                "attempts": job.attempts + 1,
                "started_at": job.started_at or now,
            }
        )
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.job_id == job.job_id)
            .values(
                state="running",
                claim=taken.claim,
                attempts=taken.attempts,
                started_at=taken.started_at,
                seen_at=database_now(connection, now),
            )
        )
    return taken


@contextmanager
def working(engine: sa.Engine, job: Job) -> Iterator[sa.Connection]:
    """A transaction that writes for a job, and holds its row.

    Raises
    ------
    ClaimLost : another process has the job, or it is there no more
    """
    with writing(engine) as connection:
        query = sa.select(jobs.c.job_id).where(*_mine(job)).with_for_update()
        if connection.execute(query).first() is None:
            raise _lost(job)
        yield connection


def advance(
    connection: sa.Connection,
    job: Job,
    progress: JobProgress,
    now: datetime,
    *,
    checkpoint: Mapping[str, Any] | None = None,
    parts: Sequence[JobPart] = (),
) -> None:
    """Note how far a job is, within its transaction; with a checkpoint it got on."""
    insert_parts(connection, job.job_id, parts)
    values = _progress_values(progress)
    if checkpoint is not None:
        values |= {"checkpoint": document_text(checkpoint), "attempts": 0}
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.job_id == job.job_id)
        .values(seen_at=database_now(connection, now), **values)
    )


def keep_claim(engine: sa.Engine, job: Job, progress: JobProgress, now: datetime) -> bool:
    """Say that the job is being worked on, and how far it is; returns whether it shall stop.

    Rows are counted by ``advance`` alone, with what was made of them.

    Raises
    ------
    ClaimLost : another process has the job
    """
    news: dict[str, Any] = {"stage": progress.stage, "detail": progress.detail}
    if progress.progress is not None:
        news["progress"] = progress.progress
    if progress.trials:
        news["checkpoint"] = document_text({"trials": [dict(one) for one in progress.trials]})
    with writing(engine) as connection:
        done = connection.execute(
            sa.update(jobs)
            .where(*_mine(job))
            .values(seen_at=database_now(connection, now), **news)
            .returning(jobs.c.cancel_requested)
        ).first()
    if done is None:
        raise _lost(job)
    return bool(done[0])


def release_job(engine: sa.Engine, job: Job, now: datetime, *, in_order: bool) -> bool:
    """Let another process take the job; False when one did already.

    Parameters
    ----------
    in_order : the process was told to stop; otherwise it died, which counts
    """
    values: dict[str, Any] = {"state": "queued", "stage": "waiting", "detail": ""}
    if in_order:
        values["attempts"] = sa.case((jobs.c.attempts > 0, jobs.c.attempts - 1), else_=0)
    with writing(engine) as connection:
        done = connection.execute(
            sa.update(jobs)
            .where(*_mine(job))
            .values(seen_at=database_now(connection, now), **values)
        )
    return done.rowcount == 1


def end_job(
    engine: sa.Engine,
    job: Job,
    state: JobState,
    now: datetime,
    *,
    result: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
    progress: JobProgress | None = None,
    parts: Iterable[JobPart] = (),
    drop: Sequence[str] = ("input",),
) -> None:
    """A job is over.

    Parameters
    ----------
    parts : of files that come with the end
    drop : names of files that are needed no more

    Raises
    ------
    ClaimLost : another process has the job
    """
    with working(engine, job) as connection:
        insert_parts(connection, job.job_id, parts)
        _end(connection, job.job_id, state, now, result, error, drop, progress)


def _end(
    connection: sa.Connection,
    job_id: str,
    state: JobState,
    now: datetime,
    result: Mapping[str, Any] | None,
    error: Mapping[str, Any] | None,
    drop: Sequence[str],
    progress: JobProgress | None = None,
) -> None:
    values = {} if progress is None else _progress_values(progress)
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.job_id == job_id)
        .values(
            **{
                **values,
                "state": state,
                "finished_at": now,
                "stage": "",
                "detail": "",
                "result": None if result is None else document_text(result),
                "error": None if error is None else document_text(error),
            }
        )
    )
    delete_files(connection, job_id, drop)


def _mine(job: Job) -> tuple[sa.ColumnElement[bool], ...]:
    return jobs.c.job_id == job.job_id, jobs.c.claim == job.claim, jobs.c.state == "running"


def _progress_values(progress: JobProgress) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: value
        for name in ("rows_total", "rows_done", "rows_failed", "progress")
        if (value := getattr(progress, name)) is not None
    }
    return {**values, "stage": progress.stage, "detail": progress.detail}


def _lost(job: Job) -> ClaimLost:
    return ClaimLost("another process works on this job now.", fix="Let it go on.", job=job.job_id)
