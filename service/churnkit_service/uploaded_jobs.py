"""A job that begins with a file: taken in, kept, and answered once however often it is sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from churnkit.domain.jobs import Job, JobKind
from churnkit.errors import ChurnkitError
from churnkit.usecases.jobs import verbs as usecases
from churnkit_service.endpoint import Call, json_bytes
from churnkit_service.idempotency import Claim, KeyedRequest, claimed_key
from churnkit_service.job_answers import Describe
from churnkit_service.uploads import Received, receive

ACCEPTED = 202


async def upload_job(
    call: Call,
    kind: JobKind,
    form: str | None,
    request_of: Callable[[Received], dict[str, Any]],
    describe: Describe,
) -> web.Response:
    """Take a file in, and answer with the job that works on it.

    Parameters
    ----------
    form : of the file, as the query says; None: its type says it
    request_of : what is asked, as plain data, of a file that came in
    """
    service = call.service
    job = usecases.new_job(kind, call.caller.key_id, {}, uploading=True)

    async def keep(number: int, content: bytes) -> None:
        if number == 0:
            await call.ask(usecases.submit_job, job)
        await call.ask(usecases.add_upload, job.job_id, number, content)

    async with claimed_key(call) as key:
        known = key is not None and await call.ask(usecases.key_is_known, call.caller.key_id, key)
        try:
            received = await receive(call, form, None if known else keep)
            asked = request_of(received)
            queued = job.model_copy(update={"state": "queued", "request": asked})
            body = orjson.dumps(describe(queued).model_dump(mode="json"))
            keyed = None if key is None else _keyed(call, key, received)
            replayed = None if keyed is None else await keyed.replay()
            if replayed is not None:
                return replayed
            answer = None if keyed is None else keyed.keep(ACCEPTED, body, datetime.now(UTC))
            kept = await call.ask(usecases.submit_upload, job.job_id, asked, answer)
        except BaseException:
            await _forget(call, job)
            raise
        if not kept:
            # Another process answered the same request a moment earlier: its answer counts.
            assert keyed is not None
            replayed = await keyed.replay()
            assert replayed is not None
            return replayed
    service.jobs.look_now()
    return accepted(call, job, body)


def accepted(call: Call, job: Job, body: bytes) -> web.Response:
    """The answer to whoever asked for a job."""
    return json_bytes(body, status=ACCEPTED, Location=f"{call.request.path}/{job.job_id}")


def _keyed(call: Call, key: str, received: Received) -> KeyedRequest:
    what = f"{call.request.method} {call.request.path_qs}\n{received.form} {received.digest}"
    digest = hashlib.sha256(what.encode()).hexdigest()
    return KeyedRequest(Claim(call.service, call.caller.key_id, key, digest))


async def _forget(call: Call, job: Job) -> None:
    """What came of an upload that broke off; what stays goes with the old jobs."""
    forgotten = asyncio.ensure_future(call.ask(usecases.drop_upload, job.job_id))
    with suppress(ChurnkitError, asyncio.CancelledError):
        await asyncio.shield(forgotten)
