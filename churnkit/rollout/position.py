"""Where a rollout stands, and how a decision or a person moves it.

Every move is idempotent: pausing what is paused, or aborting what is aborted, gives the same
position. An abort is final; a further attempt of the same challenger is a new rollout.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from pydantic import Field

from churnkit.domain.frozen import Frozen
from churnkit.errors import RolloutOver, StepNotAllowed
from churnkit.rollout.plan import Plan

Condition = Literal["running", "paused", "aborted", "promoted"]


class Position(Frozen):
    """Stage, attempt and condition of a rollout."""

    started_at: datetime
    """Of the attempt."""
    stage_since: datetime
    stage: int = Field(0, ge=0)
    """Place in the plan's stages; the last one when promoted."""
    attempt: int = Field(1, ge=1)
    condition: Condition = "running"
    overruled: tuple[str, ...] = ()
    """Alarms that a person went on in spite of: they do not pause this attempt again."""

    @property
    def over(self) -> bool:
        """Whether only a new attempt can go on."""
        return self.condition in ("aborted", "promoted")

    def share(self, plan: Plan) -> float:
        """The share of customers whom the challenger answers now.

        A paused rollout keeps its share: what is assigned stays assigned while somebody looks.
        """
        if self.condition == "promoted":
            return 1.0
        return 0.0 if self.condition == "aborted" else plan.stages[self.stage].share


def start(at: datetime) -> Position:
    """The first attempt, in shadow."""
    return Position(started_at=at, stage_since=at)


def advance(position: Position, plan: Plan, *, at: datetime) -> Position:
    """One stage further.

    Raises
    ------
    RolloutOver : aborted or promoted
    StepNotAllowed : paused, or in the last stage: the step after it is promotion
    """
    _open(position)
    if position.condition == "paused":
        raise StepNotAllowed("the rollout is paused.", fix="Resume it first.")
    if position.stage + 1 >= len(plan.stages):
        raise StepNotAllowed(
            f"'{plan.stages[position.stage].name}' is the last stage; the next step is promotion."
        )
    return position.model_copy(update={"stage": position.stage + 1, "stage_since": at})


def pause(position: Position) -> Position:
    """Stay where it is until a person resumes.

    Raises
    ------
    RolloutOver : aborted or promoted
    """
    _open(position)
    return position.model_copy(update={"condition": "paused"})


def resume(position: Position, *, in_spite_of: Collection[str] = ()) -> Position:
    """Go on.

    Parameters
    ----------
    in_spite_of : names of the alarms that stand; without this they would pause it at once again

    Raises
    ------
    RolloutOver : aborted or promoted
    """
    _open(position)
    if position.condition != "paused":
        return position
    overruled = tuple(sorted({*position.overruled, *in_spite_of}))
    return position.model_copy(update={"condition": "running", "overruled": overruled})


def abort(position: Position) -> Position:
    """Back to the champion alone, for good.

    Raises
    ------
    RolloutOver : promoted; going back from there is the registry's rollback
    """
    if position.condition == "promoted":
        raise RolloutOver(
            "the challenger was promoted already.", fix="Roll the champion back instead."
        )
    return position.model_copy(update={"condition": "aborted"})


def promote(position: Position, plan: Plan, *, at: datetime) -> Position:
    """The challenger answers everybody. A person may do this from any stage, with a reason.

    Raises
    ------
    RolloutOver : aborted
    """
    if position.condition == "promoted":
        return position
    _open(position)
    last = len(plan.stages) - 1
    return position.model_copy(update={"condition": "promoted", "stage": last, "stage_since": at})


def _open(position: Position) -> None:
    if position.over:
        raise RolloutOver(
            f"attempt {position.attempt} was {position.condition}.",
            fix="Start a new attempt." if position.condition == "aborted" else "",
        )
