"""A request as a method of a client: declared once, sent by blocking code or from asyncio."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call

P = ParamSpec("P")
M = TypeVar("M", bound=BaseModel)
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Sends(Protocol):
    """Sends requests, and waits."""

    def send(self, call: Call[M]) -> M: ...


class SendsLater(Protocol):
    """Sends requests from asyncio."""

    async def send(self, call: Call[M]) -> M: ...


@dataclass(frozen=True)
class Pages(Generic[M, R]):
    """Rows that come page by page.

    Parameters
    ----------
    page : asks for the page at a cursor; None: the first one
    rows : of a page
    cursor : of the page behind a page; None: there is none
    """

    page: Callable[[Any], Call[M]]
    rows: Callable[[M], Sequence[R]]
    cursor: Callable[[M], str | int | None]


def blocking(ask: Callable[P, Call[M]]) -> Callable[Concatenate[Sends, P], M]:
    """A method that sends a request and gives its answer."""

    def method(client: Sends, /, *given: P.args, **named: P.kwargs) -> M:
        return client.send(ask(*given, **named))

    return _told(method, ask, "{}")


def later(
    ask: Callable[P, Call[M]],
) -> Callable[Concatenate[SendsLater, P], Coroutine[Any, Any, M]]:
    """The same from asyncio."""

    async def method(client: SendsLater, /, *given: P.args, **named: P.kwargs) -> M:
        return await client.send(ask(*given, **named))

    return _told(method, ask, "{}")


def blocking_pages(ask: Callable[P, Pages[M, R]]) -> Callable[Concatenate[Sends, P], Iterator[R]]:
    """A method that gives row after row; pages are fetched as they are needed."""

    def method(client: Sends, /, *given: P.args, **named: P.kwargs) -> Iterator[R]:
        pages, cursor = ask(*given, **named), None
        while True:
            page = client.send(pages.page(cursor))
            yield from pages.rows(page)
            if (cursor := pages.cursor(page)) is None:
                return

    return _told(method, ask, "Iterator[{}]")


def pages_later(
    ask: Callable[P, Pages[M, R]],
) -> Callable[Concatenate[SendsLater, P], AsyncIterator[R]]:
    """The same from asyncio."""

    async def method(client: SendsLater, /, *given: P.args, **named: P.kwargs) -> AsyncIterator[R]:
        pages, cursor = ask(*given, **named), None
        while True:
            page = await client.send(pages.page(cursor))
            for row in pages.rows(page):
                yield row
            if (cursor := pages.cursor(page)) is None:
                return

    return _told(method, ask, "AsyncIterator[{}]")


def _told(method: F, ask: Callable[..., Any], gives: str) -> F:
    """Let ``help`` show what the request says, with the answer that the method gives."""
    update_wrapper(method, ask)
    del method.__wrapped__  # type: ignore[attr-defined]  # the method has one parameter more
    asked = inspect.signature(ask)
    client = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    answer = str(asked.return_annotation).removesuffix("]").rpartition("[")[2]
    method.__signature__ = asked.replace(  # type: ignore[attr-defined]
        parameters=[client, *asked.parameters.values()],
        return_annotation=gives.format(answer.rpartition(", ")[2]),
    )
    return method
