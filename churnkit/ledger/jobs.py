"""The jobs' table: asked for, looked at, cancelled, deleted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from churnkit.domain.jobs import ENDED, Job, JobKind, JobPart
from churnkit.domain.recording import IdempotentAnswer
from churnkit.ledger.part_files import forget_contents, keep_content, read_content, sweep
from churnkit.ledger.tables import idempotency, job_files, jobs
from churnkit.ledger.transactions import reading, writing

Place = tuple[datetime, str]
_SWEEP_SECONDS = 3_600.0
"""Clocks of replicas and of a shared folder may differ by less than this."""
_DOCUMENTS = ("request", "checkpoint", "result", "error")


def database_now(connection: sa.Connection, now: datetime) -> Any:
    """The present, the same for all who share the database: their own clocks may differ."""
    if connection.dialect.name == "postgresql":
        return sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))
    return sa.literal(now, jobs.c.seen_at.type)


def before(connection: sa.Connection, now: datetime, seconds: float) -> Any:
    """The moment so many seconds ago, on the same clock as ``database_now``."""
    ago = timedelta(seconds=seconds)
    if connection.dialect.name == "postgresql":
        return database_now(connection, now) - sa.literal(ago, sa.Interval)
    return sa.literal(now - ago, jobs.c.seen_at.type)


def insert_job(
    engine: sa.Engine,
    job: Job,
    answer: IdempotentAnswer | None = None,
    parts: Sequence[JobPart] = (),
) -> bool:
    """Keep a new job, with its files and with what its Idempotency-Key is answered.

    Returns
    -------
    kept : False when the key was there already; nothing was written
    """
    with writing(engine) as connection:
        if answer is not None and not _take_key(connection, answer):
            return False
        connection.execute(sa.insert(jobs), job_values(job))
        insert_parts(connection, job.job_id, parts)
    return True


def add_part(engine: sa.Engine, job_id: str, part: JobPart, now: datetime) -> None:
    """Add a part to a file that is being uploaded."""
    with writing(engine) as connection:
        insert_parts(connection, job_id, (part,))
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.job_id == job_id)
            .values(seen_at=database_now(connection, now))
        )


def submit_job(
    engine: sa.Engine, job_id: str, request: Mapping[str, Any], answer: IdempotentAnswer | None
) -> bool:
    """Let an uploaded job be worked on.

    Returns
    -------
    kept : False when the Idempotency-Key was there already; the upload is deleted then
    """
    with writing(engine) as connection:
        if answer is not None and not _take_key(connection, answer):
            _delete(connection, [job_id])
            return False
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.job_id == job_id, jobs.c.state == "uploading")
            .values(state="queued", request=document_text(request))
        )
    return True


def find_job(engine: sa.Engine, job_id: str, kind: JobKind | None = None) -> Job | None:
    """A job by its id; one that is still being uploaded is not there yet."""
    query = sa.select(jobs).where(jobs.c.job_id == job_id, jobs.c.state != "uploading")
    if kind is not None:
        query = query.where(jobs.c.kind == kind)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else read_job(row)


def jobs_page(
    engine: sa.Engine, kind: JobKind, *, state: str | None, after: Place | None, limit: int
) -> tuple[Job, ...]:
    """Jobs of a kind, the newest first.

    Parameters
    ----------
    after : creation and id of the last job of the page before
    """
    query = sa.select(jobs).where(jobs.c.kind == kind, jobs.c.state != "uploading")
    if state is not None:
        query = query.where(jobs.c.state == state)
    if after is not None:
        at = sa.literal(after[0], jobs.c.created_at.type)
        query = query.where(
            sa.or_(
                jobs.c.created_at < at,
                sa.and_(jobs.c.created_at == at, jobs.c.job_id < after[1]),
            )
        )
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.job_id.desc()).limit(limit)
    with reading(engine) as connection:
        return tuple(read_job(row) for row in connection.execute(query).mappings())


def count_waiting(engine: sa.Engine) -> dict[tuple[str, str], int]:
    """By kind and state, how many jobs wait or run."""
    query = (
        sa.select(jobs.c.kind, jobs.c.state, sa.func.count())
        .where(jobs.c.state.in_(("queued", "running")))
        .group_by(jobs.c.kind, jobs.c.state)
    )
    with reading(engine) as connection:
        return {(kind, state): n for kind, state, n in connection.execute(query)}


def running_jobs(engine: sa.Engine) -> int:
    """How many jobs run."""
    query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state == "running")
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())


def cancel_job(engine: sa.Engine, job_id: str, kind: JobKind, now: datetime) -> Job | None:
    """Ask a job to stop; one that nobody works on stops at once, one that ended stays as it is.

    Returns
    -------
    job : as it is now; None: there is none
    """
    mine = sa.and_(jobs.c.job_id == job_id, jobs.c.kind == kind)
    with writing(engine) as connection:
        # One statement each: a process that takes the job at this moment sees one or the other.
        stopped = connection.execute(
            sa.update(jobs)
            .where(mine, jobs.c.state == "queued")
            .values(state="cancelled", finished_at=now, cancel_requested=True, stage="", detail="")
        )
        if stopped.rowcount:
            delete_files(connection, job_id, ("input",))
        connection.execute(
            sa.update(jobs).where(mine, jobs.c.state == "running").values(cancel_requested=True)
        )
        query = sa.select(jobs).where(mine, jobs.c.state != "uploading")
        row = connection.execute(query).mappings().one_or_none()
    return None if row is None else read_job(row)


def delete_job(engine: sa.Engine, job_id: str) -> bool:
    """Delete a job that ended, or an upload, with its files; False: there is none."""
    with writing(engine) as connection:
        query = sa.select(jobs.c.job_id).where(
            jobs.c.job_id == job_id, jobs.c.state.in_((*ENDED, "uploading"))
        )
        found = connection.execute(query.with_for_update()).scalars().all()
        _delete(connection, list(found))
    return bool(found)


def delete_old_jobs(
    engine: sa.Engine,
    *,
    ended_before: datetime,
    lasting: Sequence[JobKind] = (),
    lasting_before: datetime | None = None,
    idle_seconds: float,
    now: datetime,
) -> int:
    """Delete jobs that ended before a moment, and uploads that broke off; returns how many.

    Parameters
    ----------
    lasting, lasting_before : kinds of jobs that are kept longer, and until when
    idle_seconds : an upload that got nothing for so long has broken off
    """
    with writing(engine) as connection:
        query = sa.select(jobs.c.job_id).where(
            sa.or_(
                sa.and_(
                    jobs.c.state.in_(ENDED),
                    jobs.c.kind.not_in(lasting),
                    jobs.c.finished_at < ended_before,
                ),
                sa.and_(
                    jobs.c.state.in_(ENDED),
                    jobs.c.kind.in_(lasting),
                    jobs.c.finished_at < (lasting_before or ended_before),
                ),
                sa.and_(
                    jobs.c.state == "uploading",
                    jobs.c.seen_at < before(connection, now, idle_seconds),
                ),
            )
        )
        found = list(connection.execute(query.with_for_update(skip_locked=True)).scalars())
        _delete(connection, found)
    sweep(engine, max(idle_seconds, _SWEEP_SECONDS))
    return len(found)


# --- files ------------------------------------------------------------------------------------


def insert_parts(connection: sa.Connection, job_id: str, parts: Iterable[JobPart]) -> None:
    """Add parts to a job's files, within a transaction; one at a time is in memory."""
    for part in parts:
        place = keep_content(connection, job_id, part)
        row = asdict(part if place is None else replace(part, content=b""))
        connection.execute(sa.insert(job_files), {"job_id": job_id, "place": place, **row})


def delete_files(connection: sa.Connection, job_id: str, names: Sequence[str]) -> None:
    """Delete some of a job's files, within a transaction."""
    mine = sa.and_(job_files.c.job_id == job_id, job_files.c.name.in_(names))
    forget_contents(connection, mine)
    connection.execute(sa.delete(job_files).where(mine))


def next_part(engine: sa.Engine, job_id: str, name: str, after: int = -1) -> JobPart | None:
    """The first part of a file behind a number: a file is read without ever being in memory."""
    query = (
        sa.select(job_files)
        .where(job_files.c.job_id == job_id, job_files.c.name == name, job_files.c.number > after)
        .order_by(job_files.c.number)
        .limit(1)
    )
    with reading(engine) as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    part = dict(row)
    content = read_content(engine, part["place"], part["content"])
    return JobPart(name, part["number"], content, part["n_rows"])


# --- rows -------------------------------------------------------------------------------------


def job_values(job: Job) -> dict[str, Any]:
    """A job as a row of its table."""
    values = job.model_dump()
    for name in _DOCUMENTS:
        values[name] = None if values[name] is None else document_text(values[name])
    return {**values, "seen_at": job.created_at}


def read_job(row: sa.RowMapping) -> Job:
    """A row of the table ``jobs``."""
    values = {name: value for name, value in row.items() if name != "seen_at"}
    for name in _DOCUMENTS:
        values[name] = None if values[name] is None else json.loads(values[name])
    return Job(**values)


def document_text(document: Mapping[str, Any]) -> str:
    """Plain data as it is kept."""
    # ASCII: PostgreSQL's text takes no NUL, and a lone surrogate cannot be sent to it.
    try:
        return json.dumps(document, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(document), allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON has no infinite numbers, and none that is not one: these are not known."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _take_key(connection: sa.Connection, answer: IdempotentAnswer) -> bool:
    known = sa.select(idempotency.c.key).where(
        idempotency.c.owner == answer.owner, idempotency.c.key == answer.key
    )
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert

        done = connection.execute(insert(idempotency).on_conflict_do_nothing(), asdict(answer))
        return done.rowcount == 1
    if connection.execute(known).first():
        return False
    connection.execute(sa.insert(idempotency), asdict(answer))
    return True


def _delete(connection: sa.Connection, job_ids: Sequence[str]) -> None:
    if job_ids:
        forget_contents(connection, job_files.c.job_id.in_(job_ids))
        connection.execute(sa.delete(job_files).where(job_files.c.job_id.in_(job_ids)))
        connection.execute(sa.delete(jobs).where(jobs.c.job_id.in_(job_ids)))
