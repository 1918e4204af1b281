"""Why one customer has this probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import RenderableType

from churnkit.data.reading import find_customer
from churnkit.domain.predictions import Explanation
from churnkit.project import Project
from churnkit.reporting.tables import explanation_table
from churnkit.usecases.features.feature_set import AsOf
from churnkit.usecases.features.source import FeatureSource
from churnkit.usecases.models.serving import load_predictor
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class Explained(Result):
    """A probability and its reasons."""

    explanation: Explanation

    def __rich__(self) -> RenderableType:
        return explanation_table(self.explanation)

    def to_json(self) -> dict[str, object]:
        return self.explanation.model_dump(mode="json")


def explain(
    project: Project,
    customer_id: str | None = None,
    *,
    row: Mapping[str, object] | None = None,
    version: str | None = None,
    as_of: AsOf | None = None,
    k: int | None = None,
) -> Explained:
    """Explain the probability of one customer.

    Parameters
    ----------
    customer_id : a customer of the imported table
    row : the raw columns of a customer, instead of looking them up
    version : a model version or alias; None: the champion
    as_of : in a project of events the moment to look from; None: the end of the log
    k : the number of reasons; None: all

    Raises
    ------
    UnknownCustomer, DuplicateIds : the table has no such customer, or several
    ColumnMissing, BadValue : the row cannot be read by the model
    """
    predictor, bundle = load_predictor(project, version)
    if row is None and bundle.features is not None:
        row = FeatureSource(project, bundle.features, as_of).one(str(customer_id).strip())
    elif row is None:
        row = find_customer(project.database, bundle.schema.id_column, str(customer_id))
    name = str(customer_id if customer_id is not None else row.get(bundle.schema.id_column, ""))
    return Explained(predictor.explain(row, customer_id=name, k=k))
