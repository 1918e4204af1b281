"""Errors as RFC 9457 problem documents; each kind has a type that never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import orjson
from aiohttp import web
from pydantic import ValidationError

from churnkit import errors
from churnkit.client.messages.problems import Fault, Problem

_SHOWN = 60


class HttpProblem(errors.ChurnkitError):
    """Something is wrong with how the service was asked."""

    status: ClassVar[int] = 400
    retry_after: float | None = None

    def __init__(
        self, what: str, *, fix: str = "", faults: Sequence[Fault] = (), **where: object
    ) -> None:
        super().__init__(what, fix=fix, **where)
        self.faults = tuple(faults)


class BodyMalformed(HttpProblem):
    """The body is not JSON."""


class RequestMalformed(HttpProblem):
    """The request is not HTTP."""


class Unauthorized(HttpProblem):
    """There is no API key, or not one that is valid."""

    status = 401


class Forbidden(HttpProblem):
    """The API key may not do this."""

    status = 403


class NotFound(HttpProblem):
    """There is nothing at this address."""

    status = 404


class MethodNotAllowed(HttpProblem):
    """The address does not know this method."""

    status = 405


class RequestTimeout(HttpProblem):
    """The body did not arrive in time."""

    status = 408


class RequestInFlight(HttpProblem):
    """A request with the same Idempotency-Key is being answered."""

    status = 409
    retry_after = 1.0


class ModelNotReady(HttpProblem):
    """The model version is not ready in this replica."""

    status = 409


class BodyTooLarge(HttpProblem):
    """The body is larger than allowed."""

    status = 413


class MediaTypeUnsupported(HttpProblem):
    """The body is not of a type that the address takes."""

    status = 415


class ExpectationUnknown(HttpProblem):
    """The request expects what the service does not know."""

    status = 417


class RequestInvalid(HttpProblem):
    """Values that cannot be used; each is named."""

    status = 422


class CustomerErased(RequestInvalid):
    """A customer was erased, and is not taken in again."""


class IdempotencyKeyReused(HttpProblem):
    """The Idempotency-Key was used for another request before."""

    status = 422


class UpgradeRequired(HttpProblem):
    """This address speaks WebSocket."""

    status = 426


class TooManyRequests(HttpProblem):
    """The API key sends faster than it may."""

    status = 429
    retry_after = 1.0


class Overloaded(HttpProblem):
    """The service has as much to do as it takes."""

    status = 503
    retry_after = 1.0


class InternalError(HttpProblem):
    """A mistake of the service's own."""

    status = 500


STATUS: Mapping[type[errors.ChurnkitError], int] = {
    errors.UnknownModelVersion: 404,
    errors.UnknownRun: 404,
    errors.UnknownCustomer: 404,
    errors.NothingToRollBack: 409,
    errors.AliasMoved: 409,
    errors.ProjectBusy: 409,
    errors.NoChampion: 503,
    errors.StorageError: 503,
    errors.DataError: 422,
    errors.TrainingError: 422,
    errors.BundleError: 503,
    errors.MissingDependency: 501,
    errors.Cancelled: 409,
    errors.ServiceError: 502,
    errors.UnknownKey: 404,
    errors.UnknownRollout: 404,
    errors.RolloutRunning: 409,
    errors.RolloutChanged: 409,
    errors.RolloutOver: 409,
    errors.StepNotAllowed: 409,
    errors.UnknownExperiment: 404,
    errors.ExperimentRunning: 409,
    errors.ExperimentOver: 409,
    errors.RolloutError: 422,
    errors.UnknownJob: 404,
    errors.JobError: 409,
}
"""The HTTP status of the library's errors; the nearest base counts."""


_PRIVATE = (errors.StorageError, errors.BundleError)


def status_of(error: errors.ChurnkitError) -> int:
    """The HTTP status for an error."""
    return status_of_kind(type(error))


def status_of_kind(kind: type[errors.ChurnkitError]) -> int:
    """The HTTP status for a kind of error."""
    if issubclass(kind, HttpProblem):
        return kind.status
    return next((STATUS[base] for base in kind.__mro__ if base in STATUS), 500)


def all_kinds() -> frozenset[type[errors.ChurnkitError]]:
    """Every kind of problem that can be answered."""
    found: set[type[errors.ChurnkitError]] = set()
    waiting: list[type[errors.ChurnkitError]] = [errors.ChurnkitError]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting += kind.__subclasses__()
    return frozenset(found)


def type_of(error: errors.ChurnkitError | type[errors.ChurnkitError]) -> str:
    """The stable name of a kind of problem, as a reference that the service answers."""
    return f"/problems/{error.code.replace('_', '-')}"


def title_of(kind: type[errors.ChurnkitError]) -> str:
    """The kind of problem in words."""
    return (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")


def described(error: errors.ChurnkitError, request_id: str) -> Problem:
    """What a client is told of an error."""
    # Hosts, users and paths are for the log, which has them under this request's id.
    private = isinstance(error, _PRIVATE) and not isinstance(error, errors.LedgerBusy)
    return Problem(
        type=type_of(error),
        title=title_of(type(error)),
        status=status_of(error),
        detail=title_of(type(error)) if private else error.what,
        fix="Send the request again after a while." if private else error.fix,
        request_id=request_id,
        errors=error.faults if isinstance(error, HttpProblem) else _named(error),
    )


def problem(error: errors.ChurnkitError, request_id: str) -> web.Response:
    """The answer that tells a client of an error."""
    told = described(error, request_id)
    status = told.status
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is None and status == 503:
        retry_after = 1.0
    if retry_after is not None:
        headers["Retry-After"] = f"{max(1, round(retry_after))}"
    if status == 426:
        headers["Upgrade"] = "websocket"
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="churnkit"'
    return web.Response(
        status=status, body=orjson.dumps(told.model_dump(mode="json")), headers=headers
    )


def _named(error: errors.ChurnkitError) -> tuple[Fault, ...]:
    """The place of a library's error, where it names a column or a field."""
    if not isinstance(error, errors.DataError):
        return ()
    name = error.where.get("column", error.where.get("field"))
    return () if name is None else (Fault(field=str(name), expected=error.what, fix=error.fix),)


def invalid(error: ValidationError, *, prefix: Iterable[str] = ()) -> RequestInvalid:
    """What pydantic found, with each place named."""
    faults = [fault_of(found, prefix) for found in error.errors(include_url=False)]
    first = faults[0]
    place = first.field if first.item is None else f"item {first.item}: {first.field}"
    return RequestInvalid(f"{place}: {first.expected}", faults=faults)


def fault_of(found: Any, prefix: Iterable[str] = ()) -> Fault:
    """One of pydantic's findings."""
    place = [*prefix, *found["loc"]]
    item = None
    if len(place) > 1 and place[0] == "items" and isinstance(place[1], int):
        item = place[1]
        place = place[2:] or ["item"]
    missing = found["type"] == "missing"
    return Fault(
        item=item,
        field=".".join(str(part) for part in place) or "body",
        given=None if missing else shown(found.get("input")),
        expected=str(found["msg"]),
    )


def shown(value: object) -> str:
    """A value that was given, cut short."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
