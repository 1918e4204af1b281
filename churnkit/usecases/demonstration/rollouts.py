"""The third act of the demo: a good challenger takes over, a bad one is stopped.

The customers are simulated, and so is the time: weeks pass in seconds. Everything else is what a
project does: models are trained, customers scored and recorded, outcomes recorded when they are
due, and the controller looks every day.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from churnkit.data.simulate import snapshot, snapshot_probability
from churnkit.domain.outcomes import Outcome
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.files import storage_errors, write_whole
from churnkit.project import Project, open_project
from churnkit.reporting.figures import Draw, sheet
from churnkit.reporting.rollout_figures import course, draw_course
from churnkit.settings.file import FILE_NAME, write_settings
from churnkit.usecases.outcomes.verbs import take_outcomes
from churnkit.usecases.projects.create import create_project
from churnkit.usecases.result import Result
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import advance_rollout, list_rollouts, rollout_history
from churnkit.usecases.rollouts.views import RolloutHistory, RolloutView
from churnkit.usecases.scoring.verbs import score
from churnkit.usecases.training.verbs import train

FOLDER = "rollout"
HORIZON_DAYS = 10
CUSTOMERS = 60
"""New ones each day."""
MOST_DAYS = 120
HIDDEN = ("contract",)
"""The column that the worse models do not get."""
PLAN: dict[str, Any] = {
    "gates": [{"metric": "profit", "expected_gain": 0.8, "expected_sd": 9.0}],
    # A false alarm, rare as it is, would stop the demonstration until somebody resumes it.
    "score_drift": "show",
}
Tell = Callable[[str, Result | None], None]


@dataclass(frozen=True)
class RolloutDemonstrated:
    """What the third act made."""

    project: Project
    plot: Path
    outcomes: dict[str, str]
    """Rollout → what became of it."""

    def to_json(self) -> dict[str, object]:
        """As plain data."""
        return {
            "folder": str(self.project.folder),
            "plot": str(self.plot),
            "outcomes": self.outcomes,
        }


def demo_rollout(
    home: Path,
    *,
    tell: Tell | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> RolloutDemonstrated:
    """Let a better challenger take over, and a worse one be stopped, on simulated customers.

    In a folder that holds it already nothing is done again.

    Parameters
    ----------
    home : the folder of the demo; the project is in ``rollout`` below it
    now : when the simulated weeks begin; None: the present
    """
    say = tell or (lambda heading, result: None)
    folder = home / FOLDER
    if not _complete(folder):
        # Of a demo that was stopped half-way nothing is kept: its customers cannot be met again.
        shutil.rmtree(folder, ignore_errors=True)
        with _project(folder, progress, cancel) as project:
            _train(project, HIDDEN, "the contracts were missing", progress, cancel)
            _train(project, (), "with all columns", progress, cancel)
            world = _World(project, now or datetime.now(UTC), progress, cancel)
            say("15. A rollout: v2 knows the contracts, v1 does not. May it take over?", None)
            say("   Simulated weeks later:", _run(world, "it knows the contracts"))
            _train(project, HIDDEN, "the export lost the contracts", progress, cancel)
            say("16. Another: v3 was trained on an export that had lost them again.", None)
            say("   It is stopped:", _run(world, "trained last night"))
    project = open_project(folder)
    plot = project.reports / "rollouts.png"
    with project:
        names = [row.rollout_id for row in list_rollouts(project).rows]
        histories = [rollout_history(project, name, all_looks=True) for name in names]
        _draw(plot, histories)
    outcomes = {one.row.rollout_id: str(one.row.outcome) for one in histories}
    return RolloutDemonstrated(project, plot, outcomes)


def _complete(folder: Path) -> bool:
    """Whether both rollouts came to their ends."""
    if not (folder / FILE_NAME).exists():
        return False
    with open_project(folder) as project:
        ended = [row for row in list_rollouts(project).rows if row.outcome is not None]
    return len(ended) == 2


def _project(folder: Path, progress: Progress, cancel: Cancel | None) -> Project:
    source = folder.with_name("rollout-customers.csv")
    with storage_errors(source):
        csv.write_csv(snapshot(2_500, seed=7), source)
    project = create_project(
        folder, source, name="rollout-demo", progress=progress, cancel=cancel
    ).project
    settings = project.settings
    project.settings = settings.model_copy(
        update={
            "churn": settings.churn.model_copy(update={"horizon_days": HORIZON_DAYS}),
            "training": settings.training.model_copy(
                update={"candidates": ("logistic_regression",), "budget_seconds": 1.5}
            ),
            "rollout": settings.rollout.model_copy(update={"minimum_customers": 80}),
        }
    )
    write_settings(project.folder, project.settings)
    return project


def _train(
    project: Project,
    hidden: tuple[str, ...],
    why: str,
    progress: Progress,
    cancel: Cancel | None,
) -> None:
    settings = project.settings
    columns = settings.columns.model_copy(update={"ignore": (*settings.columns.ignore, *hidden)})
    project.settings = settings.model_copy(update={"columns": columns})
    try:
        train(project, why=why, mirror=False, progress=progress, cancel=cancel)
    finally:
        project.settings = settings


@dataclass
class _World:
    """New customers every day, and what becomes of them when their window closes."""

    project: Project
    now: datetime
    progress: Progress
    cancel: Cancel | None
    step: int = 0

    def __post_init__(self) -> None:
        self._due: list[tuple[datetime, pa.Table, np.ndarray[Any, Any]]] = []

    def pass_day(self) -> None:
        """Score the customers of a day, and record the outcomes that became due."""
        self.step += 1
        self.now += timedelta(days=1)
        table = snapshot(CUSTOMERS, seed=1_000 + self.step)
        names = [f"{self.step:03d}-{name}" for name in table["customer_id"].to_pylist()]
        place = table.schema.get_field_index("customer_id")
        table = table.set_column(place, "customer_id", pa.array(names)).drop_columns(["churn"])
        score(self.project, table, reasons=0, record=True, now=self.now, cancel=self.cancel)
        rng = np.random.default_rng([7, self.step])
        left = rng.random(CUSTOMERS) < snapshot_probability(table)
        self._due.append((self.now, table, left))
        while self._due and self._due[0][0] + timedelta(days=HORIZON_DAYS + 1) <= self.now:
            at, seen, gone = self._due.pop(0)
            rows = [
                Outcome(customer_id=name, churned=bool(leaves), source="simulated", as_of=at)
                for name, leaves in zip(seen["customer_id"].to_pylist(), gone, strict=True)
            ]
            take_outcomes(self.project, rows, now=self.now, skip=False)


def _run(world: _World, why: str) -> RolloutView:
    """A rollout from its start to its verdict."""
    start = world.now
    view = start_rollout(
        world.project,
        plan=PLAN,
        salt=f"demo {start:%Y-%m-%d}",
        customers=200 * CUSTOMERS,
        predictions_per_day=float(CUSTOMERS),
        why=why,
        who="demo",
        now=start,
    )
    for day in range(MOST_DAYS):
        world.pass_day()
        view = advance_rollout(world.project, now=world.now).view
        world.progress(Step("simulating a rollout", day / MOST_DAYS, f"{world.now:%Y-%m-%d}"))
        if view.row.outcome is not None:
            break
    return view


def _draw(path: Path, histories: list[RolloutHistory]) -> None:
    """Both rollouts: profit, by which one was decided, and the guardrail on the Brier score."""
    rows: list[list[Draw]] = []
    for history in histories:
        row = history.row
        looks = [(step.pairs, step.decision) for step in history.steps if step.decision]
        first = "gate" if row.outcome == "promoted" else "guardrail"
        name = f"{row.rollout_id} ({row.challenger} against {row.champion}, {row.outcome})"
        rows.append(
            [
                draw_course(course(looks, role=role, metric=metric, title=f"{name}: {role}"))
                for role, metric in ((first, "profit"), ("guardrail", "brier"))
            ]
        )
    content = sheet(rows, "png")
    write_whole(path, content)
