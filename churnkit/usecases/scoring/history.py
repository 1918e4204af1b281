"""What was predicted for a customer, by which model, when."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import RenderableType

from churnkit.domain.predictions import PredictionRow
from churnkit.project import Project
from churnkit.reporting.tables import predictions_table
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class Predictions(Result):
    """Recorded predictions, the newest first."""

    rows: tuple[PredictionRow, ...]

    def __rich__(self) -> RenderableType:
        if not self.rows:
            return "No recorded predictions. 'churnkit score … --record' writes them."
        return predictions_table(self.rows)

    def to_json(self) -> dict[str, object]:
        return {"predictions": [row.model_dump(mode="json") for row in self.rows]}


def history(
    project: Project,
    customer_id: str | None = None,
    *,
    version: str | None = None,
    limit: int = 100,
) -> Predictions:
    """The recorded predictions of a customer, or of a model version.

    Raises
    ------
    StorageUnreachable : the ledger's database does not answer
    """
    return Predictions(
        project.ledger.predictions(customer_id=customer_id, model_version=version, limit=limit)
    )
