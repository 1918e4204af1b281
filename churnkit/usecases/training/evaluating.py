"""How good a model version is, on customers it never saw."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType

from churnkit.domain.models import ModelVersion
from churnkit.domain.runs import RunRecord
from churnkit.project import Project
from churnkit.reporting.tables import deciles_table, evaluation_table, slices_table
from churnkit.settings.money import Money
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class Evaluated(Result):
    """The evaluation of a model version, made once, when it was trained."""

    version: ModelVersion
    record: RunRecord
    money: Money

    def __rich__(self) -> RenderableType:
        evaluation = self.record.evaluation
        return Group(
            f"{self.version.version} ({self.version.candidate}), "
            f"trained {self.version.created_at:%Y-%m-%d %H:%M} UTC",
            evaluation_table(evaluation, self.money),
            deciles_table(evaluation),
            *((slices_table(evaluation),) if evaluation.slices else ()),
        )

    def to_json(self) -> dict[str, object]:
        return {
            "version": self.version.version,
            "candidate": self.version.candidate,
            "evaluation": self.record.evaluation.model_dump(mode="json"),
        }


def evaluate(project: Project, version: str | None = None) -> Evaluated:
    """The evaluation of a model version; None is the champion.

    The test set is used once, at training; this reads the record.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    """
    known = find_version(project, version)
    record = project.read_run(known.run_id)
    money = Money.model_validate(record.settings.get("money", {}))
    return Evaluated(version=known, record=record, money=money)
