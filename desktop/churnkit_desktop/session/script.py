"""The lines of Python behind what was done, and the script that does it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from churnkit_desktop.actions import Action
from churnkit_desktop.notice import Notice

Line = Callable[[Action], str]
_HEAD = '"""What was done in the console; run it to do it again."""\n\nimport churnkit as ck\n\n'


@dataclass
class Script:
    """Actions that succeeded, in their order.

    Parameters
    ----------
    place : the project folder or the address that was opened, as text; empty: none yet
    """

    place: str = ""
    actions: list[Action] = field(default_factory=list)
    changed: Notice = field(default_factory=Notice)
    line: Line = Action.python
    """How an action is written."""
    head: str = ""
    """What stands above the actions; empty: the opening of a project folder."""

    def record(self, action: Action) -> None:
        """Keep an action that succeeded."""
        self.actions.append(action)
        self.changed()

    def lines(self) -> tuple[str, ...]:
        """One line per action."""
        return tuple(self.line(action) for action in self.actions)

    def text(self) -> str:
        """A whole program that repeats the session's work."""
        if self.head:
            return self.head + "\n".join(self.lines()) + "\n"
        opens = not (self.actions and self.actions[0].makes_project)
        body = [f"project = ck.open_project({self.place!r})"] if opens else []
        return _HEAD + "\n".join((*body, *self.lines())) + "\n"
