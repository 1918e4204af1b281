"""What another plan would have decided, on what the ledger holds of a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.domain.rollouts import RolloutRow
from churnkit.errors import EvidenceInvalid, NothingMatured, PlanInvalid
from churnkit.files import write_whole
from churnkit.project import Project
from churnkit.reporting.figures import sheet
from churnkit.reporting.rollout_figures import course, draw_course
from churnkit.reporting.rollout_tables import replay_table
from churnkit.rollout.gathered import Gathered
from churnkit.rollout.plan import Plan
from churnkit.rollout.replay import Replay, looks_every, replay
from churnkit.usecases.result import Result
from churnkit.usecases.rollouts.pairs import all_pairs
from churnkit.usecases.rollouts.plans import make_plan
from churnkit.usecases.rollouts.steps import document, find_rollout

_KINDS = {".png": "png", ".svg": "svg"}


@dataclass(frozen=True, repr=False)
class Replayed(Result):
    """A rollout as it would have gone under a plan."""

    row: RolloutRow
    plan: Plan
    run: Replay
    n_pairs: int
    plot: Path | None

    def __rich__(self) -> RenderableType:
        ended = self.run.position.condition
        stage = self.plan.stages[self.run.position.stage].name
        said = ended if self.run.position.over else f"{ended} in stage '{stage}'"
        last = self.run.decisions[-1]
        lines: list[RenderableType] = [
            Text(
                f"{self.row.rollout_id} under this plan, over {self.n_pairs:,} matured pairs "
                f"and {len(self.run.decisions):,} looks: {said}.",
                style="bold",
            ),
            replay_table(self.run.turns),
        ]
        if not self.run.position.over:
            lines.append(Text(f"At the last look: {last.verdict}: {last.reason}."))
        happened = self.row.outcome or "it still runs"
        lines.append(Text(f"In fact: {happened}."))
        if self.plot is not None:
            lines.append(Text(f"The plot is in {self.plot}."))
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "rollout_id": self.row.rollout_id,
            "outcome": self.row.outcome,
            "replayed": self.run.position.condition,
            "stage": self.plan.stages[self.run.position.stage].name,
            "n_pairs": self.n_pairs,
            "looks": len(self.run.decisions),
            "turns": [{"pairs": n, **document(decision)} for decision, n in self.run.turns],
            "plan": document(self.plan),
            "plot": str(self.plot) if self.plot else None,
        }


def replay_rollout(
    project: Project,
    rollout_id: str | None = None,
    *,
    plan: Mapping[str, Any] | Path | str | None = None,
    every_days: float = 1.0,
    plot: Path | str | None = None,
    now: datetime | None = None,
) -> Replayed:
    """Run the controller over a rollout's logged predictions and outcomes; nothing is changed.

    Predictions whose outcome is not known yet are not seen, so exposure is counted by those that
    have matured.

    Parameters
    ----------
    rollout_id : None: the one that runs, otherwise the latest
    plan : keys of a plan, or a TOML file; None: the rollout's own
    every_days : how often the controller looks
    plot : a .png or .svg file

    Raises
    ------
    UnknownRollout : there is none
    PlanInvalid : the plan, the interval, or the file's name cannot be used
    NothingMatured : no pair has matured
    FolderReadOnly, DiskFull : the plot cannot be written
    """
    row = find_rollout(project, rollout_id)
    chosen = Plan.model_validate(row.plan) if plan is None else make_plan(project, plan)
    path = None if plot is None else Path(plot).expanduser()
    if path is not None and path.suffix not in _KINDS:
        raise PlanInvalid("a plot is a .png or .svg file.", fix="Name it so.", file=path)
    at = now or datetime.now(UTC)
    known = Gathered.model_validate(row.evidence)
    pairs = all_pairs(project, row, chosen, fresh_from=known.fresh_from, now=at)
    if not len(pairs):
        raise NothingMatured(
            f"no pair of {row.rollout_id} has matured.",
            fix=f"Outcomes are due {row.days_to_mature:g} days after a prediction.",
        )
    if not 0 < every_days <= 366:
        raise PlanInvalid("every_days must be above 0, and at most 366.", key="every_days")
    looks = looks_every(row.created_at, every_days, until=max(at, row.created_at))
    try:
        run = replay(
            chosen,
            pairs,
            salt=row.salt,
            days_to_mature=row.days_to_mature,
            looks=looks,
            history=known.history,
        )
    except EvidenceInvalid as error:
        raise PlanInvalid(f"this plan cannot be judged: {error.what}", fix=error.fix) from error
    if path is not None:
        _write(path, row, run, chosen)
    return Replayed(row, chosen, run, len(pairs), path)


def _write(path: Path, row: RolloutRow, run: Replay, plan: Plan) -> None:
    looks = [(n, document(decision)) for decision, n in zip(run.decisions, run.pairs, strict=True)]
    wanted = [("gate", gate.metric) for gate in plan.gates]
    wanted += [("guardrail", rule.metric) for rule in plan.guardrails if rule.metric == "brier"]
    drawings = [
        draw_course(
            course(looks, role=role, metric=metric, title=f"{row.rollout_id}: {role} on {metric}")
        )
        for role, metric in wanted
    ]
    content = sheet([drawings], _KINDS[path.suffix])
    write_whole(path, content)
