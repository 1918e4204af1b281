"""The runs of models that were trained by the service; kept with their training jobs."""

from __future__ import annotations

from churnkit.domain.jobs import RUN
from churnkit.domain.models import ModelVersion
from churnkit.domain.runs import RunRecord
from churnkit.errors import JobHasNoResult
from churnkit.ledger.jobs import next_part
from churnkit.project import Project
from churnkit.usecases.models.serving import find_version


def run_of(shared: Project, version: str | None) -> tuple[ModelVersion, RunRecord]:
    """A model version, by name or alias, and the run that made it here.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    JobHasNoResult : it was trained elsewhere, or its training was deleted
    """
    known = find_version(shared, version)
    record = stored_run(shared, known.run_id)
    if record is None:
        raise JobHasNoResult(
            f"{known.version} was not trained by this service, or its training was deleted.",
            fix="'churnkit models show' tells of it in the project where it was trained.",
            version=known.version,
        )
    return known, record


def stored_run(shared: Project, run_id: str) -> RunRecord | None:
    """The record that a training job keeps; its id is the run's."""
    content, number = b"", -1
    while part := next_part(shared.ledger.engine, run_id, RUN, number):
        content += part.content
        number = part.number
    return RunRecord.model_validate_json(content) if content else None
