"""Start a rollout: its plan, its salt, and when a verdict can be expected."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from churnkit.domain.models import JournalEntry
from churnkit.domain.rollouts import RolloutRow
from churnkit.errors import NoChampion, PlanInvalid, RolloutRunning, StepNotAllowed
from churnkit.ledger.experiments import open_experiments
from churnkit.ledger.rollout_counts import treated_since
from churnkit.project import Project, user_name
from churnkit.registry.journal import holders
from churnkit.rollout.assignment import CHALLENGER, CHAMPION
from churnkit.rollout.gathered import Gathered
from churnkit.rollout.plan import Plan
from churnkit.rollout.position import Position
from churnkit.usecases.models.alias_moves import check_files
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.rollouts.forecasts import expected_load, expected_verdict
from churnkit.usecases.rollouts.plans import make_plan
from churnkit.usecases.rollouts.steps import add_started, document, no_experiment
from churnkit.usecases.rollouts.views import RolloutView, view_of

MOST_OVERRIDES = 100_000


def start_rollout(
    project: Project,
    challenger: str | None = None,
    *,
    plan: Mapping[str, Any] | Path | str | None = None,
    overrides: Mapping[str, str] | None = None,
    customers: int | None = None,
    predictions_per_day: float | None = None,
    attempt: int | None = None,
    why: str = "",
    who: str | None = None,
    salt: str | None = None,
    now: datetime | None = None,
) -> RolloutView:
    """Let a challenger prove itself, beginning in shadow.

    A challenger that was aborted before gets a further attempt, with a smaller error budget.

    Parameters
    ----------
    challenger : a model version or alias; None: the challenger
    plan : keys of a plan, or a TOML file of them; the rest is as churnkit.toml says
    overrides : customer id → ``champion`` or ``challenger``, whatever is drawn
    customers, predictions_per_day : the base, for the forecast; None: as in the last 30 days
    attempt : the number of the attempt that is meant; asked for again while it runs, it is given
        back as it is. None: the next one
    why : a sentence for the journal
    salt : of the assignment; None: a new one. Of a rollout that is there, it is that one

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    PlanInvalid : the plan, or an override, cannot be used
    RolloutRunning : another rollout has not ended
    ExperimentRunning : an experiment has not been stopped
    StepNotAllowed : the challenger serves already, or the attempt is not the next one
    BundleError : the challenger's files are not what was admitted
    """
    at = now or datetime.now(UTC)
    chosen = make_plan(project, plan)
    version = find_version(project, challenger or CHALLENGER)
    champion = find_version(project)
    named = _checked(overrides or {})
    check_files(project, version)
    spans = label_spans(project)
    no_experiment(open_experiments(project.ledger.engine))
    _outcomes_count(project, chosen, at - timedelta(days=spans.days_to_mature))
    fresh_from = max(version.created_at, champion.created_at) - timedelta(days=spans.days_to_mature)
    row = RolloutRow(
        rollout_id="",
        number=0,
        champion=champion.version,
        challenger=version.version,
        attempt=attempt or 0,
        plan=document(chosen),
        salt=salt or secrets.token_hex(8),
        days_to_mature=spans.days_to_mature,
        position={},
        evidence=document(Gathered(fresh_from=fresh_from)),
        forecast=expected_load(project, at, customers, predictions_per_day),
        decision={},
        created_at=at,
    )
    row = add_started(
        project, row, named, who=who or user_name(), why=why or "started", number=_numbered
    )
    return view_of(project, row, now=at)


def _numbered(
    rows: Sequence[RolloutRow], entries: Sequence[JournalEntry], row: RolloutRow
) -> RolloutRow:
    """The row with its number and attempt; everything that speaks against it is said here.

    Where what is asked for was started already, that one.
    """
    same = next((one for one in rows if one.salt == row.salt), None)
    if same is not None:
        return same
    held = holders(entries)
    going = next((one for one in rows if one.outcome is None), None)
    if going is not None:
        if going.challenger == row.challenger and row.attempt == going.attempt:
            return going
        raise RolloutRunning(
            f"{going.rollout_id} ({going.challenger} against {going.champion}) has not ended.",
            fix="Wait for its verdict, or abort it with a reason.",
            rollout=going.rollout_id,
        )
    if held["champion"] != row.champion:
        raise NoChampion("the champion changed just now.", fix="Try again.")
    if row.challenger == row.champion:
        raise StepNotAllowed(
            f"{row.challenger} is the champion; there is nothing to prove.",
            fix="Train a challenger with 'churnkit train', or name one.",
        )
    earlier = [one.attempt for one in rows if one.challenger == row.challenger]
    following = max(earlier, default=0) + 1
    if row.attempt not in (0, following):
        raise StepNotAllowed(
            f"the next attempt of {row.challenger} is number {following}, not {row.attempt}."
        )
    number = max((one.number for one in rows), default=0) + 1
    rollout_id = f"r{number}"
    plan = Plan.model_validate(row.plan)
    position = Position(started_at=row.created_at, stage_since=row.created_at, attempt=following)
    return row.model_copy(
        update={
            "rollout_id": rollout_id,
            "number": number,
            "attempt": following,
            "position": document(position),
            "forecast": {**row.forecast, **expected_verdict(plan, row, following)},
        }
    )


def _checked(overrides: Mapping[str, str]) -> dict[str, str]:
    if len(overrides) > MOST_OVERRIDES:
        raise PlanInvalid(
            f"{len(overrides):,} overrides are too many.",
            fix=f"At most {MOST_OVERRIDES:,} customers may be named.",
            key="overrides",
        )
    for customer, arm in overrides.items():
        if arm not in (CHAMPION, CHALLENGER) or not customer:
            raise PlanInvalid(
                f"an override gives a customer the arm '{arm}'.",
                fix="An arm is 'champion' or 'challenger'.",
                key="overrides",
            )
    return dict(overrides)


def _outcomes_count(project: Project, plan: Plan, since: datetime) -> None:
    """Refuse a plan whose evidence would be biased by whom the champion chose to treat."""
    if plan.accept_history and project.settings.events is None:
        raise PlanInvalid(
            "this project has no log of events to take history from.",
            fix="Set accept_history to false.",
            key="accept_history",
        )
    if plan.outcomes == "everyone" and treated_since(project.ledger.engine, since):
        raise PlanInvalid(
            "customers were treated lately, so not everyone's outcome is evidence.",
            fix="Set outcomes to 'holdout' or 'propensity' in the plan or in [rollout].",
            key="outcomes",
        )
