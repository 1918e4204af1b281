"""A job that is asked for in JSON, and made once however often it is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from churnkit.domain.jobs import JobKind
from churnkit.usecases.jobs import verbs as usecases
from churnkit_service.endpoint import Call
from churnkit_service.idempotency import AnsweredMeanwhile, KeyedRequest, answer_once
from churnkit_service.job_answers import Describe
from churnkit_service.uploaded_jobs import ACCEPTED, accepted


async def ask_job(
    call: Call, kind: JobKind, asked: dict[str, Any], describe: Describe
) -> web.Response:
    """Keep a new job, and answer with it.

    Parameters
    ----------
    asked : what is asked, as plain data
    """

    async def keep(request: KeyedRequest | None) -> web.Response:
        job = usecases.new_job(kind, call.caller.key_id, asked, uploading=False)
        body = orjson.dumps(describe(job).model_dump(mode="json"))
        answer = None if request is None else request.keep(ACCEPTED, body, datetime.now(UTC))
        if not await call.ask(usecases.submit_job, job, answer):
            raise AnsweredMeanwhile
        call.service.jobs.look_now()
        return accepted(call, job, body)

    return await answer_once(call, keep)
