"""Short actions as requests to the service; each is done once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from churnkit.client.call import Call
from churnkit.client.calls import experiments, models, rollouts
from churnkit.client.calls.rollouts import Move
from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import Answer
from churnkit_desktop.backend.remote.experiments import assign
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.language import tr
from churnkit_desktop.words import whole


def _promote(version: str, why: str) -> Call[Any]:
    return models.set_alias(version, why=why)


def _rollback(why: str) -> Call[Any]:
    return models.rollback(why=why)


def _start_rollout(**asked: Any) -> Call[Any]:
    return rollouts.start_rollout(asked.pop("challenger", None), **asked)


def _move(move: Move) -> Callable[..., Call[Any]]:
    def asked(rollout_id: str, why: str, expected_revision: int | None = None) -> Call[Any]:
        return rollouts.move_rollout(rollout_id, move, why=why, expected_revision=expected_revision)

    return asked


_CALLS: Mapping[str, Callable[..., Call[Any]]] = {
    "promote": _promote,
    "rollback": _rollback,
    "start_rollout": _start_rollout,
    "advance_rollout": rollouts.advance_rollout,
    "pause_rollout": _move("pause"),
    "resume_rollout": _move("resume"),
    "promote_rollout": _move("promote"),
    "abort_rollout": _move("abort"),
    "start_experiment": experiments.start_experiment,
    "stop_experiment": experiments.stop_experiment,
}


def act(line: Line, action: Action) -> Answer:
    """Do it.

    Raises
    ------
    ServiceRefused : the service will not do it
    ChurnkitError : the service has no such action
    """
    if action.verb == "assign_experiment":
        drawn = assign(line, **{name: str(value) for name, value in action.arguments.items()})
        text = tr("{n_new} customers were drawn; {n} are in {output}.").format(
            n_new=whole(drawn["n_new"]), n=whole(drawn["n"]), output=drawn["output"]
        )
        return Answer(text=text, details=drawn)
    make = _CALLS.get(action.verb)
    if make is None:
        raise ChurnkitError(
            tr("the service cannot do this ({verb}).").format(verb=action.verb),
            fix=tr("Do it in a project folder."),
        )
    told: BaseModel = line.ask(make(**action.arguments, **action.guards), keep=True)
    details = told.model_dump(mode="json")
    return Answer(text=_said(action.verb, details), details=details)


def _said(verb: str, told: Mapping[str, Any]) -> str:
    if verb in ("promote", "rollback"):
        before = told.get("previous_version") or "nobody"
        return tr("{version} is now the {alias} (before: {before}).").format(
            version=told["version"], alias=told["alias"], before=before
        )
    if verb == "advance_rollout":
        decision = told["rollout"].get("decision") or {}
        return str(decision.get("reason") or tr("Nothing has changed."))
    if verb.endswith("_experiment"):
        return f"{told['experiment_id']}: {told['condition']}."
    return f"{told['rollout_id']}: {told['condition']}, {told['stage']}."
