"""What all resources that are jobs have in common: pages, cancelling, deleting, errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from churnkit.client.messages.jobs import Job as JobMessage
from churnkit.client.messages.jobs import JobProblem, JobsQuery
from churnkit.domain.jobs import Job, JobKind
from churnkit.errors import UnknownJob
from churnkit.usecases.jobs import verbs as usecases
from churnkit_service.cursors import read_cursor, write_cursor
from churnkit_service.endpoint import Call, json_response, read_query
from churnkit_service.problems import all_kinds, title_of, type_of

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
Describe = Callable[[Job], JobMessage]


def common(job: Job) -> dict[str, Any]:
    """The fields that every job's answer has."""
    return {
        "id": job.job_id,
        "state": job.state,
        "progress": job.progress,
        "stage": job.stage,
        "detail": job.detail,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "error": None if job.error is None else _problem(job.error),
    }


def _problem(error: dict[str, Any]) -> JobProblem:
    kind = next((kind for kind in all_kinds() if kind.code == error["code"]), None)
    where = error.get("where", {})
    return JobProblem(
        type=f"/problems/{str(error['code']).replace('_', '-')}" if kind is None else type_of(kind),
        title=str(error["code"]) if kind is None else title_of(kind),
        detail=error["what"],
        fix=error["fix"],
        row=where.get("row"),
        column=where.get("column"),
        choices=tuple(where.get("choices", ())),
    )


def job_id_of(call: Call, kind: JobKind) -> str:
    """The id in the address.

    Raises
    ------
    UnknownJob : it cannot be one
    """
    name = call.request.match_info["id"]
    if not _ID.fullmatch(name):
        raise UnknownJob(f"there is no {kind} with this id.", fix="The list shows all of them.")
    return name


async def named(call: Call, kind: JobKind) -> Job:
    """The job that the address names.

    Raises
    ------
    UnknownJob : there is none
    """
    return await call.ask(usecases.show_job, kind, job_id_of(call, kind))


async def show(call: Call, kind: JobKind, describe: Describe) -> web.Response:
    """Answer with the job that the address names."""
    return json_response(describe(await named(call, kind)).model_dump(mode="json"))


async def page(call: Call, kind: JobKind, name: str, describe: Describe) -> web.Response:
    """Jobs of a kind, page by page, under a name."""
    asked = read_query(call, JobsQuery)
    found = await call.ask(
        usecases.list_jobs,
        kind,
        state=asked.state,
        after=None if asked.cursor is None else read_cursor(asked.cursor),
        limit=asked.limit + 1,
    )
    shown = found[: asked.limit]
    more = len(found) > asked.limit
    return json_response(
        {
            name: [describe(job).model_dump(mode="json") for job in shown],
            "next_cursor": write_cursor(shown[-1].created_at, shown[-1].job_id) if more else None,
        }
    )


async def cancel(call: Call, kind: JobKind, describe: Describe) -> web.Response:
    """Ask the job that the address names to stop."""
    job = await call.ask(usecases.cancel_job, kind, job_id_of(call, kind))
    return json_response(describe(job).model_dump(mode="json"))


async def delete(call: Call, kind: JobKind) -> web.Response:
    """Delete the job that the address names."""
    await call.ask(usecases.delete_job, kind, job_id_of(call, kind))
    return web.Response(status=204, headers={"Cache-Control": "no-store"})
