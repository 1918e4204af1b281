"""The lines of Python behind what was done, and the script that does it again."""

from __future__ import annotations

from dataclasses import dataclass, field

from churnkit_desktop.actions import Action
from churnkit_desktop.notice import Notice

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

    def record(self, action: Action) -> None:
        """Keep an action that succeeded."""
        self.actions.append(action)
        self.changed()

    def lines(self) -> tuple[str, ...]:
        """One line per action."""
        return tuple(action.python() for action in self.actions)

    def text(self) -> str:
        """A whole program that repeats the session's work."""
        opens = not (self.actions and self.actions[0].makes_project)
        body = [f"project = ck.open_project({self.place!r})"] if opens else []
        return _HEAD + "\n".join((*body, *self.lines())) + "\n"
