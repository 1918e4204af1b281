"""What a person does, as data: it can be run, shown as a line of Python, and repeated.

An action names a public function of churnkit and its keyword arguments, nothing more. So the
line that a panel shows is the call that was made, and an exported script repeats a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Argument = (
    str
    | int
    | float
    | bool
    | None
    | tuple[str, ...]
    | Mapping[str, Any]
    | tuple[Mapping[str, Any], ...]
)
"""Plain data; what is nested (a plan, a list of features) is JSON."""

# Verbs that make the project instead of taking one.
_MAKERS = ("create_project", "create_event_project")


@dataclass(frozen=True)
class Action:
    """One call.

    Parameters
    ----------
    verb : a public function of churnkit, such as ``train``
    arguments : its keyword arguments, as plain data
    title : in a few words, for a person ("Train models")
    guards : arguments that refuse the call where somebody else was quicker, such as
        ``expected_revision``; a script that repeats the work leaves them out
    """

    verb: str
    arguments: dict[str, Argument] = field(default_factory=dict)
    title: str = ""
    guards: dict[str, str | int] = field(default_factory=dict)

    @property
    def makes_project(self) -> bool:
        """Whether its result is a new project."""
        return self.verb in _MAKERS

    def python(self) -> str:
        """The call as a line of Python, on a variable ``project``."""
        given = [f"{name}={_literal(value)}" for name, value in self.arguments.items()]
        if self.makes_project:
            return f"project = ck.{self.verb}({', '.join(given)}).project"
        return f"ck.{self.verb}({', '.join(('project', *given))})"

    def to_json(self) -> dict[str, Any]:
        """As plain data, for the child process and for what outlives the window."""
        return {
            "verb": self.verb,
            "arguments": self.arguments,
            "title": self.title,
            "guards": self.guards,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Action:
        """From plain data; lists become tuples again."""
        arguments = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in document["arguments"].items()
        }
        return cls(
            document["verb"], arguments, document.get("title", ""), document.get("guards", {})
        )


def repeating(action: Action, result: Mapping[str, Any]) -> Action:
    """The action that does the same again, whatever machine it runs on.

    A search that had so many seconds is repeated by the number of models that it tried.
    """
    if action.verb != "train" or not result.get("n_trials"):
        return action
    arguments = {k: v for k, v in action.arguments.items() if k != "budget_seconds"}
    arguments["max_trials"] = int(result["n_trials"])
    return replace(action, arguments=arguments)


def _literal(value: object) -> str:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and "\\" in value and "'" not in value:
        return f"r'{value}'" if not value.endswith("\\") else repr(value)
    return repr(value)
