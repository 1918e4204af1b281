"""Undo and redo of edits, as values: a state before, a state after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from churnkit_desktop.notice import Notice

T = TypeVar("T")
DEPTH = 200


class Edits(Protocol):
    """Who can take edits back."""

    @property
    def undoable(self) -> str:
        """What would be undone, in words; empty: nothing."""

    @property
    def redoable(self) -> str:
        """What would be done again, in words; empty: nothing."""

    def undo(self) -> None:
        """Take the last edit back."""

    def redo(self) -> None:
        """Do again what was undone."""


@dataclass
class History(Generic[T]):
    """An edited value and what it was before.

    Parameters
    ----------
    value : now; never changed in place
    """

    value: T
    changed: Notice = field(default_factory=Notice)
    _past: list[tuple[str, T]] = field(default_factory=list)
    _future: list[tuple[str, T]] = field(default_factory=list)

    def edit(self, what: str, value: T) -> None:
        """Replace the value; equal ones are no edit."""
        if value == self.value:
            return
        self._past.append((what, self.value))
        del self._past[:-DEPTH]
        self._future.clear()
        self.value = value
        self.changed()

    def reset(self, value: T) -> None:
        """Begin anew with a value from elsewhere: there is nothing to undo."""
        self._past.clear()
        self._future.clear()
        self.value = value
        self.changed()

    @property
    def undoable(self) -> str:
        """What would be undone, in words; empty: nothing."""
        return self._past[-1][0] if self._past else ""

    @property
    def redoable(self) -> str:
        """What would be done again, in words; empty: nothing."""
        return self._future[-1][0] if self._future else ""

    def undo(self) -> None:
        """Take the last edit back."""
        if self._past:
            what, before = self._past.pop()
            self._future.append((what, self.value))
            self.value = before
            self.changed()

    def redo(self) -> None:
        """Do again what was undone."""
        if self._future:
            what, after = self._future.pop()
            self._past.append((what, self.value))
            self.value = after
            self.changed()
