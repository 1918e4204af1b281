"""Saying that something changed, without Qt: states and presenters are tested without a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Notice:
    """A list of those who want to know; called in the order of their coming."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def connect(self, listener: Callable[[], None]) -> None:
        """Call this from now on."""
        self._listeners.append(listener)

    def disconnect(self, listener: Callable[[], None]) -> None:
        """Call this no more; nothing happens where it was not connected."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def __call__(self) -> None:
        for listener in tuple(self._listeners):
            listener()


class News(Generic[T]):
    """The same, with what happened, several at a time."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Sequence[T]], None]] = []

    def connect(self, listener: Callable[[Sequence[T]], None]) -> None:
        """Call this from now on."""
        self._listeners.append(listener)

    def __call__(self, happened: Sequence[T]) -> None:
        for listener in tuple(self._listeners):
            listener(happened)
