"""What is written down of an experiment's steps: in its history, and in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from churnkit.domain.experiments import (
    ExperimentAction,
    ExperimentRow,
    ExperimentStatus,
    ExperimentStep,
)
from churnkit.domain.models import JournalEntry
from churnkit.ledger.journal_rows import JournalTurn
from churnkit.project import user_name
from churnkit.usecases.models.journal_notes import note


def experiment_step(
    row: ExperimentRow,
    action: ExperimentAction,
    at: datetime,
    who: str | None,
    why: str,
    document: Mapping[str, Any],
) -> ExperimentStep:
    """A step; the ledger gives it its number."""
    return ExperimentStep(
        experiment_id=row.experiment_id,
        sequence=0,
        at=at,
        who=who or user_name(),
        action=action,
        why=why,
        document=dict(document),
    )


def journalled(
    turn: JournalTurn, row: ExperimentRow, step: ExperimentStep, evidence: Mapping[str, Any]
) -> tuple[JournalEntry, ...]:
    """The journal with a start or a stop in it: an experiment leaves the aliases as they are."""
    return note(
        turn,
        "start" if step.action == "start" else "stop",
        {
            "experiment": row.experiment_id,
            "kind": row.kind,
            "versions": row.versions,
            **evidence,
        },
        alias="challenger",
        who=step.who,
        why=step.why,
        at=step.at,
    )


def read_then(seen: ExperimentStatus) -> dict[str, Any]:
    """What the journal keeps of what was read when somebody stopped it."""
    effect = {"arm", "outcome", "n", "estimate", "lower", "upper", "alpha", "state"}
    hazard = {"arm", "events", "ratio", "lower", "upper", "alpha", "state"}
    plain: dict[str, Any] = seen.model_dump(
        mode="json",
        include={
            "arms": {"__all__": {"arm", "entered", "counted", "missing"}},
            "effects": {"__all__": effect},
            "hazards": {"__all__": hazard},
            "withheld": True,
        },
    )
    return plain
