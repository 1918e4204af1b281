"""What the verbs of experiments give back: to read, and as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.domain.experiments import (
    ExperimentEntry,
    ExperimentPlan,
    ExperimentRow,
    ExperimentStatus,
    ExperimentStep,
    SamplePlan,
)
from churnkit.reporting.experiment_tables import (
    arms_table,
    experiment_steps_table,
    experiments_table,
    head_lines,
    readings_lines,
    sizes_table,
)
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class ExperimentView(Result):
    """Where one experiment stands, and what may be read off it."""

    status: ExperimentStatus

    @property
    def experiment_id(self) -> str:
        """Its name."""
        return self.status.experiment.experiment_id

    @property
    def plan(self) -> ExperimentPlan:
        """What was planned."""
        return self.status.experiment.planned

    def __rich__(self) -> RenderableType:
        return Group(
            *head_lines(self.status), arms_table(self.status), *readings_lines(self.status)
        )

    def to_json(self) -> dict[str, object]:
        plain: dict[str, Any] = self.status.model_dump(mode="json", exclude={"experiment"})
        return {**summary(self.status.experiment), **plain, "plan": self.status.experiment.plan}


@dataclass(frozen=True, repr=False)
class Experiments(Result):
    """All experiments, the oldest first."""

    rows: tuple[ExperimentRow, ...]

    def __rich__(self) -> RenderableType:
        if not self.rows:
            return "No experiments yet. Start one with 'churnkit experiment start'."
        return experiments_table(self.rows)

    def to_json(self) -> dict[str, object]:
        return {"experiments": [summary(row) for row in self.rows]}


@dataclass(frozen=True, repr=False)
class ExperimentHistory(Result):
    """What was done with an experiment."""

    row: ExperimentRow
    steps: tuple[ExperimentStep, ...]

    def __rich__(self) -> RenderableType:
        return Group(
            Text(f"{self.row.experiment_id}: {_arms(self.row)}", style="bold"),
            experiment_steps_table(self.steps),
        )

    def to_json(self) -> dict[str, object]:
        return {
            "experiment_id": self.row.experiment_id,
            "steps": [step.model_dump(mode="json") for step in self.steps],
        }


@dataclass(frozen=True, repr=False)
class Assigned(Result):
    """Customers who were drawn into the arms of an experiment."""

    experiment_id: str
    n: int
    """Who were asked about."""
    n_new: int
    counts: dict[str, int]
    """Of the new ones, by arm."""
    n_known: int
    """Who were in it before: they keep their arm."""
    n_elsewhere: int
    """Who are in another experiment; not drawn."""
    n_held_out: int
    """Who are in a hold-out of all campaigns; not drawn."""
    n_erased: int
    n_scored: int
    """Of the new ones, who have a churn score from before."""
    entries: tuple[ExperimentEntry, ...]
    """Of all who were asked about and are in it."""
    output: Path | None

    def __rich__(self) -> RenderableType:
        shares = ", ".join(f"{arm} {n:,}" for arm, n in self.counts.items())
        lines = [f"{self.n_new:,} of {self.n:,} customers entered {self.experiment_id}: {shares}."]
        for n, what in (
            (self.n_known, "were in it before, and keep their arm"),
            (self.n_elsewhere, "are in another experiment, and were not drawn"),
            (self.n_held_out, "are in a hold-out, and were not drawn"),
            (self.n_erased, "were erased, and are not taken in again"),
        ):
            if n:
                lines.append(f"{n:,} {what}.")
        lines.append(f"{self.n_scored:,} of the new ones have a churn score from before (CUPED).")
        if self.output is not None:
            lines.append(f"Who is in which arm: {self.output}")
        return Group(*(Text(line) for line in lines))

    def to_json(self) -> dict[str, object]:
        return {
            "experiment_id": self.experiment_id,
            "n": self.n,
            "n_new": self.n_new,
            "counts": self.counts,
            "n_known": self.n_known,
            "n_elsewhere": self.n_elsewhere,
            "n_held_out": self.n_held_out,
            "n_erased": self.n_erased,
            "n_scored": self.n_scored,
            "entries": [
                {
                    "customer_id": one.customer_id,
                    "arm": one.arm,
                    "probability": one.probability,
                    "entered_at": one.entered_at.isoformat(),
                }
                for one in self.entries
            ],
            "output": str(self.output) if self.output else None,
        }


@dataclass(frozen=True, repr=False)
class PlannedExperiment(Result):
    """How many customers, and how long, an experiment takes."""

    plan: SamplePlan

    def __rich__(self) -> RenderableType:
        return sizes_table(self.plan)

    def to_json(self) -> dict[str, object]:
        plain: dict[str, object] = self.plan.model_dump(mode="json")
        return plain


def summary(row: ExperimentRow) -> dict[str, Any]:
    """An experiment in a few fields."""
    plan = row.planned
    return {
        "experiment_id": row.experiment_id,
        "kind": row.kind,
        "condition": "running" if row.stopped_at is None else "stopped",
        "outcomes": list(plan.outcomes),
        "weights": dict(plan.weights),
        "versions": row.versions,
        "days_to_mature": row.days_to_mature,
        "started_at": row.started_at.isoformat(),
        "stopped_at": row.stopped_at.isoformat() if row.stopped_at else None,
    }


def _arms(row: ExperimentRow) -> str:
    return " against ".join(arm.name for arm in reversed(row.planned.arms))
