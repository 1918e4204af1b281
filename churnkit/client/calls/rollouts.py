"""Requests about rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from churnkit.client.call import Call, new_key
from churnkit.client.messages.rollouts import (
    Arm,
    Rollout,
    RolloutEvidenceAnswer,
    RolloutHistoryAnswer,
    RolloutLook,
    RolloutMove,
    RolloutPreview,
    RolloutPreviewAsked,
    RolloutsAnswer,
    RolloutStart,
)

Move = Literal["pause", "resume", "promote", "abort"]


def start_rollout(
    challenger: str | None = None,
    *,
    plan: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Arm] | None = None,
    customers: int | None = None,
    predictions_per_day: float | None = None,
    attempt: int | None = None,
    why: str = "",
    idempotency_key: str | None = None,
) -> Call[Rollout]:
    """Let a challenger prove itself, beginning in shadow.

    Parameters
    ----------
    challenger : a version or alias; None: the challenger
    plan : what differs from the project's settings
    overrides : customer id → arm
    customers, predictions_per_day : the base, for the forecast; None: as lately
    attempt : the one that is meant; None: the next one
    idempotency_key : the same key does the same work once; None: a new one
    """
    asked: dict[str, Any] = {
        "challenger": challenger,
        "plan": dict(plan or {}),
        "overrides": dict(overrides or {}),
        "customers": customers,
        "predictions_per_day": predictions_per_day,
        "attempt": attempt,
        "why": why,
    }
    body = RolloutStart(**{name: value for name, value in asked.items() if value is not None})
    key = idempotency_key or new_key()
    return Call("POST", "/v1/rollouts", Rollout, body=body, idempotency_key=key)


def preview_rollout(
    challenger: str | None = None,
    *,
    plan: Mapping[str, Any] | None = None,
    customers: int | None = None,
    predictions_per_day: float | None = None,
) -> Call[RolloutPreview]:
    """The plan and forecast that ``start_rollout`` would give; nothing is started."""
    asked: dict[str, Any] = {
        "challenger": challenger,
        "plan": dict(plan or {}),
        "customers": customers,
        "predictions_per_day": predictions_per_day,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    return Call("POST", "/v1/rollout-previews", RolloutPreview, body=RolloutPreviewAsked(**given))


def rollouts() -> Call[RolloutsAnswer]:
    """All of them, the oldest first."""
    return Call("GET", "/v1/rollouts", RolloutsAnswer)


def rollout(rollout_id: str) -> Call[Rollout]:
    """One of them, with its evidence."""
    return Call("GET", _path(rollout_id), Rollout)


def rollout_history(rollout_id: str) -> Call[RolloutHistoryAnswer]:
    """What was done with it, by whom and why."""
    return Call("GET", f"{_path(rollout_id)}/history", RolloutHistoryAnswer)


def rollout_evidence(rollout_id: str) -> Call[RolloutEvidenceAnswer]:
    """What is known, with the bounds as they were look by look."""
    return Call("GET", f"{_path(rollout_id)}/evidence", RolloutEvidenceAnswer)


def advance_rollout(rollout_id: str) -> Call[RolloutLook]:
    """Look now, and do what is decided."""
    return Call("POST", f"{_path(rollout_id)}/advance", RolloutLook)


def move_rollout(
    rollout_id: str, move: Move, *, why: str, expected_revision: int | None = None
) -> Call[Rollout]:
    """What a person decides; what is so already is left as it is."""
    body = (
        RolloutMove(why=why)
        if expected_revision is None
        else RolloutMove(why=why, expected_revision=expected_revision)
    )
    return Call("POST", f"{_path(rollout_id)}/{move}", Rollout, body=body)


def _path(rollout_id: str) -> str:
    return f"/v1/rollouts/{quote(rollout_id, safe='')}"
