"""Write the report of a model version: one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
from rich.console import RenderableType

from churnkit.data.reading import read_arrow
from churnkit.domain.models import ModelVersion
from churnkit.domain.predictions import Explanation
from churnkit.domain.profiles import TableProfile
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.domain.runs import RunRecord
from churnkit.files import write_whole
from churnkit.inference.predictor import Predictor
from churnkit.project import Project
from churnkit.registry.journal import holders
from churnkit.reporting.html import render_report
from churnkit.reporting.pdf import render_pdf
from churnkit.settings.money import Money
from churnkit.usecases.models.serving import find_version, load_predictor
from churnkit.usecases.projects.profiling import profile
from churnkit.usecases.result import Result
from churnkit.usecases.tables import typed


@dataclass(frozen=True, repr=False)
class Report(Result):
    """Where the report is."""

    path: Path
    version: str
    pdf: Path | None = None

    def __rich__(self) -> RenderableType:
        also = f", and as PDF in {self.pdf}" if self.pdf else ""
        return f"The report on {self.version} is in {self.path}{also}"

    def to_json(self) -> dict[str, object]:
        return {
            "path": str(self.path),
            "version": self.version,
            "pdf": str(self.pdf) if self.pdf else None,
        }


def write_report(
    project: Project,
    output: Path | str | None = None,
    *,
    version: str | None = None,
    pdf: bool = False,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Report:
    """Write the report of a model version; None is the champion.

    Parameters
    ----------
    output : the HTML file; None: ``reports/<version>.html`` in the project
    pdf : also write the answers and charts as a PDF for management, beside the HTML file

    Raises
    ------
    NoChampion, UnknownModelVersion, BundleError : there is no such model, or it was damaged
    FolderReadOnly, DiskFull : the report cannot be written
    """
    known = find_version(project, version)
    record = project.read_run(known.run_id)
    seen = profile(project, progress=progress, cancel=cancel).profile
    progress(Step("explaining examples"))
    predictor, _ = load_predictor(project, known.version)
    table = read_arrow(project.training_database)
    held = holders(project.ledger.journal())
    progress(Step("writing the report"))
    told = _Told(
        project=project.settings.project.name,
        profile=seen,
        record=record,
        version=known,
        alias=next((str(alias) for alias, name in held.items() if name == known.version), None),
        money=Money.model_validate(record.settings.get("money", {})),
        examples=_examples(predictor, table),
        made_at=datetime.now(UTC),
    )
    next_steps = (
        f"churnkit score NEW_CUSTOMERS.csv -o scores.csv   scores with {known.version}",
        "churnkit explain --customer ID   why one customer is at risk",
        "churnkit models history   who served when, and who decided",
    )
    path = project.reports / f"{known.version}.html" if output is None else Path(output)
    write_whole(path, render_report(**told, next_steps=next_steps).encode())
    beside = path.with_suffix(".pdf") if pdf else None
    if beside is not None:
        progress(Step("writing the PDF"))
        write_whole(beside, render_pdf(**told))
    return Report(path=path, version=known.version, pdf=beside)


class _Told(TypedDict):
    """What both forms of the report are made of."""

    project: str
    profile: TableProfile
    record: RunRecord
    version: ModelVersion
    alias: str | None
    money: Money
    examples: tuple[Explanation, ...]
    made_at: datetime


def _examples(predictor: Predictor, table: pa.Table) -> tuple[Explanation, ...]:
    """One customer each at high, middling and low risk."""
    schema = predictor.schema
    probabilities = predictor.predict_encoded(predictor.encoder.encode_arrow(typed(table, schema)))
    order = np.argsort(probabilities, kind="stable")
    ranks = sorted({int(q * (len(order) - 1)) for q in (0.99, 0.5, 0.05)}, reverse=True)
    chosen = []
    for rank in ranks:
        position = int(order[rank])
        row = table.slice(position, 1).to_pylist()[0]
        name = str(row[schema.id_column]) if schema.id_column else str(position + 1)
        chosen.append(predictor.explain(row, customer_id=name, k=6))
    return tuple(chosen)
