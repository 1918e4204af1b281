"""Short actions as requests to the service; each is done once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from churnkit.client.call import Call
from churnkit.client.calls import models
from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import Answer
from churnkit_desktop.backend.remote.line import Line


def _promote(version: str, why: str) -> Call[Any]:
    return models.set_alias(version, why=why)


def _rollback(why: str) -> Call[Any]:
    return models.rollback(why=why)


_CALLS: dict[str, Callable[..., Call[Any]]] = {"promote": _promote, "rollback": _rollback}


def act(line: Line, action: Action) -> Answer:
    """Do it.

    Raises
    ------
    ServiceRefused : the service will not do it
    ChurnkitError : the service has no such action
    """
    make = _CALLS.get(action.verb)
    if make is None:
        raise ChurnkitError(
            f"the service cannot do this ({action.verb}).", fix="Do it in a project folder."
        )
    told: BaseModel = line.ask(make(**action.arguments), keep=True)
    details = told.model_dump(mode="json")
    return Answer(text=_said(action.verb, details), details=details)


def _said(verb: str, told: dict[str, Any]) -> str:
    if verb in ("promote", "rollback"):
        before = told.get("previous_version") or "nobody"
        return f"{told['version']} is now the {told['alias']} (before: {before})."
    return "Done."
