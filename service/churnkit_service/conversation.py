"""One WebSocket that scores: messages are read, scored and answered in order.

Scoring is one message after another; commits of several messages run at the same time and are
shared. A bounded number of messages waits for its answer: when so many wait, nothing is read, the
connection's buffers fill, and the client's next message waits at the client.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from churnkit.client.messages.problems import Fault
from churnkit.client.messages.stream import LONGEST_ID
from churnkit.errors import ChurnkitError
from churnkit_service.answered import Answered
from churnkit_service.answering import answer
from churnkit_service.endpoint import Call
from churnkit_service.idempotency import Claim, claimed
from churnkit_service.problems import (
    BodyMalformed,
    InternalError,
    RequestInFlight,
    RequestInvalid,
    TooManyRequests,
    described,
    shown,
)
from churnkit_service.reading import read_request

log = logging.getLogger("churnkit.service")
_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_PAUSE = 0.02


@dataclass(slots=True)
class _Message:
    """One message on its way to its answer."""

    number: int
    name: str | None = None
    answer: bytes = b""
    committed: Awaitable[bool] | None = None
    answered: Answered | None = None
    claim: Claim | None = None
    claims: ExitStack | None = None
    error: ChurnkitError | None = None


class Conversation:
    """Reads, scores and answers until one side ends it.

    Parameters
    ----------
    socket : opened
    """

    def __init__(self, call: Call, socket: web.WebSocketResponse) -> None:
        self._call = call
        self._service = call.service
        self._socket = socket
        self._settings = call.service.settings
        self._free = asyncio.Semaphore(self._settings.stream_window)
        self._waiting: asyncio.Queue[_Message | None] = asyncio.Queue()
        self._patience: asyncio.Timeout | None = None
        self._checked_at = time.monotonic()
        self._code, self._reason = WSCloseCode.OK, "client"
        messages = self._service.metrics.stream_messages
        self._answered, self._refused = messages.labels("answered"), messages.labels("problem")

    async def run(self) -> None:
        """Until the client goes, is too slow, has nothing to say, or the service ends."""
        reader = asyncio.create_task(self._read())
        watcher = asyncio.create_task(self._watch())
        try:
            await self._send()
        finally:
            for task in (reader, watcher):
                task.cancel()
            await asyncio.gather(reader, watcher, return_exceptions=True)
            route = "/v1/stream"
            self._service.metrics.connections_closed.labels(route, self._reason).inc()
        with suppress(OSError, RuntimeError):
            await self._socket.close(code=self._code, message=_WORDS.get(self._reason, b""))

    async def _watch(self) -> None:
        """When the service is told to end, nothing more is waited for."""
        await self._service.drained.wait()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    # --- reading -----------------------------------------------------------------------------

    async def _read(self) -> None:
        number = 0
        try:
            while True:
                await self._free.acquire()
                content = await self._receive()
                if content is None:
                    return
                message = _Message(number)
                await self._begin(message, content)
                self._waiting.put_nowait(message)
                number += 1
                if message.error is not None and _ends(message.error):
                    self._code, self._reason = WSCloseCode.POLICY_VIOLATION, "key"
                    return
        finally:
            self._waiting.put_nowait(None)

    async def _receive(self) -> bytes | None:
        """The next message; None: there will be none."""
        if self._service.draining:
            self._code, self._reason = WSCloseCode.GOING_AWAY, "drain"
            return None
        try:
            async with asyncio.timeout(self._settings.stream_idle_seconds) as self._patience:
                found = await self._socket.receive()
        except TimeoutError:
            if self._service.draining:
                self._code, self._reason = WSCloseCode.GOING_AWAY, "drain"
            else:
                self._code, self._reason = WSCloseCode.OK, "idle"
            return None
        finally:
            self._patience = None
        if found.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            content: bytes = found.data
            return content
        if found.type is WSMsgType.ERROR:
            self._reason = "error"
        return None

    async def _begin(self, message: _Message, content: bytes) -> None:
        """Score a message and hand its predictions in; what goes wrong becomes its answer."""
        try:
            await self._admit()
            await self._score(message, content)
        except ChurnkitError as error:
            message.error = error
        except Exception:  # the last line of defence: a mistake of ours
            log.exception("message failed", extra={"request_id": self._call.request_id})
            message.error = InternalError("the service made a mistake.")
        if message.error is not None and message.claims is not None:
            message.claims.close()

    async def _admit(self) -> None:
        """Keys that were revoked meanwhile end the connection; fast ones wait.

        Raises
        ------
        Unauthorized, Forbidden : the key is not valid any more
        """
        now = time.monotonic()
        if now - self._checked_at > self._settings.keys_seconds:
            self._checked_at = now
            (await self._service.keys.caller(self._call.request)).require("score")
        while True:
            try:
                self._service.rates.take(self._call.caller.key_id)
            except TooManyRequests:
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _score(self, message: _Message, content: bytes) -> None:
        try:
            data = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise BodyMalformed(
                f"the message is not JSON: {error}.", fix="Mend the JSON text."
            ) from None
        key = None
        if isinstance(data, dict):
            message.name = _name(data.pop("id", None))
            key = _key(data.pop("idempotency_key", None))
        if key is not None:
            message.claims = ExitStack()
            # The id is the client's affair: sent again, the message may have another one.
            what = b"WS /v1/stream\n" + orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
            owner = self._call.caller.key_id
            claim = await self._claimed(message.claims, owner, key, what)
            message.claim = claim
            known = await claim.find()
            if known is not None:
                message.answer = known.answer
                return
        answered = message.answered = await answer(self._call, read_request(data))
        message.answer = answered.body
        kept = None
        if message.claim is not None:
            kept = message.claim.keep(200, answered.body, datetime.now(UTC))
        if answered.parts or kept is not None:
            message.committed = self._service.writer.submit(answered.parts, kept)

    async def _claimed(self, claims: ExitStack, owner: str, key: str, what: bytes) -> Claim:
        """The key, when whoever works on it is done: the client's connection before, or the
        message before."""
        end = time.monotonic() + self._settings.request_timeout_seconds
        while True:
            try:
                return claims.enter_context(claimed(self._service, owner, key, what))
            except RequestInFlight:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(_PAUSE)

    # --- answering ---------------------------------------------------------------------------

    async def _send(self) -> None:
        """Answer what was read; when the client has gone, what was begun is still finished."""
        gone = False
        while (message := await self._waiting.get()) is not None:
            frame = await self._finished(message)
            try:
                if gone:
                    continue
                async with asyncio.timeout(self._settings.slow_client_seconds):
                    await self._socket.send_frame(frame, WSMsgType.TEXT)
            except TimeoutError:
                gone, self._reason = True, "slow"
                if self._call.request.transport is not None:
                    self._call.request.transport.abort()
            except (OSError, RuntimeError):  # the client has gone
                gone = True
            finally:
                self._free.release()

    async def _finished(self, message: _Message) -> bytes:
        """The answer's bytes, once what it says is committed."""
        try:
            if message.error is None and message.answered is not None:
                await self._commit(message, message.answered)
        except ChurnkitError as error:
            message.error = error
        except Exception:  # the last line of defence: a mistake of ours
            log.exception("message failed", extra={"request_id": self._call.request_id})
            message.error = InternalError("the service made a mistake.")
        finally:
            if message.claims is not None:
                message.claims.close()
        head = orjson.dumps({"id": message.name, "number": message.number})[:-1]
        if message.error is not None:
            self._refused.inc()
            told = described(message.error, self._call.request_id).model_dump(mode="json")
            return head + b',"problem":' + orjson.dumps(told) + b"}"
        self._answered.inc()
        return head + b"," + message.answer[1:]

    async def _commit(self, message: _Message, answered: Answered) -> None:
        if message.committed is not None:
            committed = await message.committed
            if not committed and message.claim is not None:
                # Another process answered the same message a moment earlier: its answer counts.
                known = await message.claim.find()
                if known is not None:
                    message.answer = known.answer
                    return
        self._service.committed(answered)


_WORDS = {"drain": b"the service ends", "idle": b"no message came", "key": b"the key is not valid"}


def _ends(error: ChurnkitError) -> bool:
    return error.code in ("unauthorized", "forbidden")


def _name(given: Any) -> str | None:
    if given is None or (isinstance(given, str) and len(given) <= LONGEST_ID):
        return given
    raise _wrong("id", given, f"a text of at most {LONGEST_ID} characters")


def _key(given: Any) -> str | None:
    if given is None or (isinstance(given, str) and _KEY.fullmatch(given)):
        return given
    raise _wrong("idempotency_key", given, "1 to 255 visible ASCII characters")


def _wrong(field: str, given: object, expected: str) -> RequestInvalid:
    fault = Fault(field=field, given=shown(given), expected=expected)
    return RequestInvalid(f"{field}: expected {expected}.", faults=(fault,))
