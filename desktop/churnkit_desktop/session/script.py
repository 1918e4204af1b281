"""The lines of Python behind what was done, and the script that does it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from churnkit_desktop.actions import Action
from churnkit_desktop.notice import Notice

Line = Callable[[Action], str]
_MAKING = '''"""What was done in the console; run it with a new folder to do it again."""

import sys

import churnkit as ck

folder = sys.argv[1] if len(sys.argv) > 1 else {folder}
'''
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
        body = "\n".join(self.lines())
        if self.head:
            return f"{self.head}{body}\n"
        first = self.actions[0] if self.actions else None
        if first is None or not first.makes_project:
            return f"{_HEAD}project = ck.open_project({self.place!r})\n{self._movable(body)}\n"
        folder = repr(first.arguments.get("folder"))
        head = _MAKING.format(folder=folder)
        return head + self._movable(body.replace(f"folder={folder}", "folder=folder", 1)) + "\n"

    def _movable(self, body: str) -> str:
        """Files of the project are named from its folder, so that a copy uses its own."""
        quoted = repr(self.place + "/")[:-1]
        return body.replace(quoted, "project.folder / " + quoted[0]) if self.place else body
