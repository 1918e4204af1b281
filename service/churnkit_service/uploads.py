"""Files that are sent: taken in piece by piece, and kept in the database as they come."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiohttp import BodyPartReader, ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from churnkit.client.messages.problems import Fault
from churnkit_service.endpoint import Call
from churnkit_service.guard import broken_body
from churnkit_service.problems import (
    BodyMalformed,
    BodyTooLarge,
    MediaTypeUnsupported,
    RequestInvalid,
    RequestTimeout,
)

PART_BYTES = 1 << 20
_FORM_BYTES = 1 << 16
"""A form has heads and boundaries around its file."""
Keep = Callable[[int, bytes], Awaitable[None]]
"""Keeps a part, under its number from 0."""
CSV, NDJSON, PARQUET = "text/csv", "application/x-ndjson", "application/vnd.apache.parquet"
UPLOAD_TYPES = (CSV, NDJSON, PARQUET, "application/octet-stream", "multipart/form-data")
_FORMATS = {
    CSV: "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "csv",
    NDJSON: "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    PARQUET: "parquet",
    "application/x-parquet": "parquet",
    "application/parquet": "parquet",
}
_ENDINGS = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "gz": "csv",
    "ndjson": "ndjson", "jsonl": "ndjson", "parquet": "parquet", "pq": "parquet",
}  # fmt: skip
_NO_FORM = (ValueError, RuntimeError, AssertionError, LookupError, HttpProcessingError)
"""What aiohttp raises for a form that is none."""
_OPEN = ("application/octet-stream", "multipart/form-data")


@dataclass(frozen=True, slots=True)
class Received:
    """An upload that came in whole.

    ``digest`` is the SHA-256 (hex) of its bytes.
    """

    form: str
    digest: str


async def receive(call: Call, form: str | None, keep: Keep | None) -> Received:
    """Take a request's file in.

    Parameters
    ----------
    form : csv, ndjson or parquet, as the query says; None: the type says it
    keep : None: the file is only looked at

    Raises
    ------
    MediaTypeUnsupported : it is not said what it is
    BodyMalformed : it is no multipart body, or one without a file
    BodyTooLarge, RequestTimeout : more bytes, or more time, than allowed
    RequestInvalid : it is empty, or clearly not what it is said to be
    """
    settings = call.service.settings
    try:
        async with asyncio.timeout(settings.upload_timeout_seconds):
            return await _receive(call, form, keep)
    except TimeoutError:
        raise RequestTimeout("the upload did not arrive in time.", fix="Send it faster.") from None
    except (HttpProcessingError, web.RequestPayloadError, ClientError, OSError):
        raise broken_body() from None


async def _receive(call: Call, form: str | None, keep: Keep | None) -> Received:
    settings = call.service.settings
    if (call.request.content_length or 0) > settings.max_upload_bytes + _FORM_BYTES:
        raise _too_large(settings.max_upload_bytes)
    kind = call.request.content_type
    name = ""
    pieces: AsyncIterator[bytes]
    if kind == "multipart/form-data":
        part = await _file_part(call, settings.body_timeout_seconds)
        name = (part.filename or "")[:200]
        kind = part.headers.get("Content-Type", "application/octet-stream").partition(";")[0]
        pieces = _of_part(part)
    else:
        pieces = _of_body(call.request)
    found = form or _FORMATS.get(kind.strip().lower())
    if found is None and (kind in _OPEN or name):
        found = _ENDINGS.get(name.rpartition(".")[2].lower())
    if found is None:
        raise MediaTypeUnsupported(
            "it is not said whether the file is CSV, NDJSON or Parquet.",
            fix=f"Send 'Content-Type: {CSV}', {NDJSON} or {PARQUET}, or add '?format=csv'.",
        )
    digest, n_bytes, number = hashlib.sha256(), 0, 0
    waiting = bytearray()
    async for piece in _in_time(pieces, settings.body_timeout_seconds):
        n_bytes += len(piece)
        if n_bytes > settings.max_upload_bytes:
            raise _too_large(settings.max_upload_bytes)
        digest.update(piece)
        if not waiting and not number:
            _refuse_other(found, piece)
        waiting += piece
        while len(waiting) >= PART_BYTES:
            if keep is not None:
                await keep(number, bytes(waiting[:PART_BYTES]))
            del waiting[:PART_BYTES]
            number += 1
    if not n_bytes:
        fault = Fault(field="body", expected="a file with a header and rows")
        raise RequestInvalid("the file is empty.", fix="Send it in the body.", faults=(fault,))
    if waiting and keep is not None:
        await keep(number, bytes(waiting))
    return Received(found, digest.hexdigest())


async def _in_time(pieces: AsyncIterator[bytes], seconds: float) -> AsyncIterator[bytes]:
    """Each piece has so long to come; the database's time does not count."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise RequestTimeout(
                f"nothing of the file arrived for {seconds:g} s.", fix="Send it again."
            ) from None
        if piece is None:
            return
        yield piece


async def _of_body(request: web.Request) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_any():
        if piece:
            yield piece


async def _of_part(part: BodyPartReader) -> AsyncIterator[bytes]:
    try:
        while piece := await part.read_chunk(1 << 16):
            yield part.decode(piece)
    except _NO_FORM as error:
        raise _no_multipart() from error


async def _file_part(call: Call, seconds: float) -> BodyPartReader:
    """The part of a form that holds the file."""
    try:
        async with asyncio.timeout(seconds):
            reader = await call.request.multipart()
            while (part := await reader.next()) is not None:
                if isinstance(part, BodyPartReader) and part.name == "file":
                    return part
    except _NO_FORM as error:
        raise _no_multipart() from error
    raise BodyMalformed(
        "the form has no field 'file'.", fix="Send the file in a field of this name."
    )


def _refuse_other(form: str, start: bytes) -> None:
    if form == "parquet" and not start.startswith(b"PAR1"[: len(start)]):
        fault = Fault(field="body", expected="a Parquet file, which begins with PAR1")
        raise RequestInvalid(
            "this is no Parquet file.", fix="Is it CSV? Say so with its type.", faults=(fault,)
        )


def _no_multipart() -> BodyMalformed:
    return BodyMalformed("the body is no multipart form.", fix="Mend the form's boundaries.")


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the file has more than {limit:,} bytes.",
        fix="Send it in several parts, or raise service.max_upload_bytes.",
    )
