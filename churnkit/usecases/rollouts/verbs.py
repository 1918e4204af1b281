"""The verbs of a rollout: look and act, or let a person pause, resume, promote, abort."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from churnkit.domain.rollouts import RolloutRow
from churnkit.errors import RolloutChanged, StepNotAllowed
from churnkit.ledger.rollouts import open_rollout, read_rollouts, read_steps
from churnkit.project import Project, user_name
from churnkit.registry.journal import holders
from churnkit.rollout import position as moves
from churnkit.rollout.controller import Decision, Signal, decide
from churnkit.rollout.position import Position
from churnkit.rollout.replay import applied
from churnkit.usecases.rollouts.evidence import gather
from churnkit.usecases.rollouts.steps import (
    CONTROLLER,
    Action,
    changed,
    find_rollout,
    plan_of,
    position_of,
    write_look,
    write_step,
)
from churnkit.usecases.rollouts.views import (
    Looked,
    RolloutHistory,
    Rollouts,
    RolloutView,
    view_of,
)

_TRIES = 5


def list_rollouts(project: Project) -> Rollouts:
    """All rollouts, the oldest first."""
    return Rollouts(read_rollouts(project.ledger.engine))


def rollout_status(
    project: Project, rollout_id: str | None = None, *, now: datetime | None = None
) -> RolloutView:
    """Where a rollout stands, and what was seen at the latest look; nothing is changed.

    Parameters
    ----------
    rollout_id : None: the one that runs, otherwise the latest

    Raises
    ------
    UnknownRollout : there is none
    """
    return view_of(project, find_rollout(project, rollout_id), now=now or datetime.now(UTC))


def rollout_history(
    project: Project, rollout_id: str | None = None, *, all_looks: bool = False
) -> RolloutHistory:
    """What was done with a rollout, by whom and why.

    Parameters
    ----------
    all_looks : also what was seen while waiting

    Raises
    ------
    UnknownRollout : there is none
    """
    row = find_rollout(project, rollout_id)
    steps = read_steps(project.ledger.engine, row.rollout_id)
    if not all_looks:
        steps = tuple(step for step in steps if step.action != "wait")
    return RolloutHistory(row, steps)


def advance_rollout(
    project: Project,
    rollout_id: str | None = None,
    *,
    who: str = CONTROLLER,
    not_within_seconds: float = 0.0,
    signals: tuple[Signal, ...] = (),
    past: bool = True,
    now: datetime | None = None,
) -> Looked:
    """Take in what matured, decide, and do what was decided: one step at most.

    Any number of processes may call this at once: one of them acts, the others see that it did.
    Calling it again changes nothing that was decided already.

    Parameters
    ----------
    rollout_id : None: the one that runs, otherwise the latest
    not_within_seconds : do nothing where somebody looked so shortly before
    signals : alarms that need no labels; they may pause the rollout
    past : where the plan accepts history, ask the project's log for it; what it said before is
        kept without it

    Raises
    ------
    UnknownRollout : there is none
    BundleError : the challenger has proven itself, and its files are not what was admitted
    """
    at = now or datetime.now(UTC)
    row = find_rollout(project, rollout_id)
    if row.outcome is not None:
        return Looked(view_of(project, row, now=at), None, acted=False)
    recent = row.looked_at is not None and row.looked_at > at - timedelta(
        seconds=not_within_seconds
    )
    if not_within_seconds and recent:
        return Looked(view_of(project, row, now=at), None, acted=False)
    try:
        seen, decision, acted = _look(project, row, who, signals, past, at)
    except RolloutChanged:
        row = find_rollout(project, row.rollout_id)
        return Looked(view_of(project, row, now=at), None, acted=False, beaten=True)
    return Looked(view_of(project, seen, now=at), decision, acted=acted)


def _look(
    project: Project,
    row: RolloutRow,
    who: str,
    signals: tuple[Signal, ...],
    past: bool,
    at: datetime,
) -> tuple[RolloutRow, Decision | None, bool]:
    plan, position = plan_of(row), position_of(row)
    serving = holders(project.ledger.journal())["champion"]
    if serving != row.champion:
        return _overtaken(project, row, position, serving, at), None, True
    steps = read_steps(project.ledger.engine, row.rollout_id)
    gathered, evidence = gather(
        project, row, plan, position, steps, now=at, signals=signals, past=past
    )
    decision = decide(plan, evidence, at)
    if not decision.changes or decision.verdict == "wait":
        return write_look(project, row, decision, gathered), decision, False
    moved = write_step(
        project,
        row,
        applied(plan, position, decision),
        action=decision.verdict,
        who=who,
        why=decision.reason,
        at=at,
        decision=decision,
        gathered=gathered,
    )
    return moved, decision, True


def _overtaken(
    project: Project, row: RolloutRow, position: Position, serving: str | None, at: datetime
) -> RolloutRow:
    """Somebody changed the champion by hand: the comparison is with a model of the past."""
    return write_step(
        project,
        row,
        moves.abort(position),
        action="abort",
        who=CONTROLLER,
        why=f"{serving or 'nobody'} became the champion outside of this rollout",
        at=at,
    )


def pause_rollout(
    project: Project,
    rollout_id: str | None = None,
    *,
    why: str,
    who: str | None = None,
    expected_revision: int | None = None,
    now: datetime | None = None,
) -> RolloutView:
    """Keep everything as it is until a person resumes; matured outcomes are still looked at.

    Parameters
    ----------
    why : a sentence for the journal
    expected_revision : refuse where the rollout has moved on since this revision

    Raises
    ------
    UnknownRollout : there is none
    RolloutOver : it was aborted or promoted
    RolloutChanged : it is at another revision
    StepNotAllowed : there is no reason
    """
    return _move(
        project, rollout_id, "pause", lambda row, _: moves.pause(position_of(row)),
        why, who, expected_revision, now,
    )  # fmt: skip


def resume_rollout(
    project: Project,
    rollout_id: str | None = None,
    *,
    why: str,
    who: str | None = None,
    expected_revision: int | None = None,
    now: datetime | None = None,
) -> RolloutView:
    """Go on, in spite of the alarms that the latest look saw; see ``pause_rollout``."""
    return _move(
        project, rollout_id, "resume",
        lambda row, _: moves.resume(
            position_of(row), in_spite_of=row.decision.get("alarms", ())
        ),
        why, who, expected_revision, now,
    )  # fmt: skip


def promote_rollout(
    project: Project,
    rollout_id: str | None = None,
    *,
    why: str,
    who: str | None = None,
    expected_revision: int | None = None,
    now: datetime | None = None,
) -> RolloutView:
    """Let the challenger serve everybody, whatever is proven; see ``pause_rollout``.

    Raises
    ------
    BundleError : its files are not what was admitted
    """
    return _move(
        project, rollout_id, "promote",
        lambda row, at: moves.promote(position_of(row), plan_of(row), at=at),
        why, who, expected_revision, now,
    )  # fmt: skip


def abort_rollout(
    project: Project,
    rollout_id: str | None = None,
    *,
    why: str,
    who: str | None = None,
    expected_revision: int | None = None,
    now: datetime | None = None,
) -> RolloutView:
    """Back to the champion alone, for good; see ``pause_rollout``."""
    return _move(
        project, rollout_id, "abort", lambda row, _: moves.abort(position_of(row)),
        why, who, expected_revision, now,
    )  # fmt: skip


def _move(
    project: Project,
    rollout_id: str | None,
    action: Action,
    move: Callable[[RolloutRow, datetime], Position],
    why: str,
    who: str | None,
    expected_revision: int | None,
    now: datetime | None,
) -> RolloutView:
    """A person's move; what is so already is left as it is."""
    if not why.strip():
        raise StepNotAllowed(
            f"to {action} a rollout by hand needs a reason.", fix="Say it in a sentence."
        )
    at = now or datetime.now(UTC)
    for left in reversed(range(_TRIES)):
        row = find_rollout(project, rollout_id)
        position = move(row, at)
        if position == position_of(row):
            break
        if expected_revision is not None and row.revision != expected_revision:
            raise changed(row)
        try:
            row = write_step(
                project, row, position, action=action, who=who or user_name(), why=why, at=at
            )
            break
        except RolloutChanged:
            # The controller looked meanwhile: its look is no reason to refuse a person.
            if not left:
                raise
    return view_of(project, row, now=at)


def running_rollout(project: Project) -> RolloutRow | None:
    """The rollout that has not ended, if there is one."""
    return open_rollout(project.ledger.engine)
