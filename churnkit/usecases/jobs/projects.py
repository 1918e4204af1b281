"""A project folder of a job's own, made from a data set that is kept in the database.

A replica never opens a shared project's DuckDB: what learns, profiles or builds features does it
in a temporary folder, and leaves its result in the database.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError

from churnkit.domain.frozen import Frozen
from churnkit.domain.jobs import Job
from churnkit.errors import SettingsInvalid, UnknownJob
from churnkit.ledger.jobs import find_job
from churnkit.project import Project
from churnkit.settings.whole import Settings
from churnkit.usecases.jobs.work import INPUT, Work
from churnkit.usecases.projects.create import Created, create_project
from churnkit.usecases.projects.create_events import (
    LogCreated,
    create_event_project,
    recognise_data,
)
from churnkit.usecases.projects.log_settings import LogOptions

Made = Created | LogCreated


class DatasetRequest(Frozen):
    """What was said of a data set; None: churnkit guesses.

    ``kind``: one row per customer (``table``) or a log of events (``events``).
    """

    format: Literal["csv", "parquet"]
    name: str
    kind: Literal["table", "events"] | None = None
    target: str | None = None
    positive: str | None = None
    id: str | None = None
    time: str | None = None
    event_type: str | None = None
    activity: tuple[str, ...] = ()
    zone: str = "UTC"
    horizon_days: int | None = None
    lead_days: int = 0
    grace_days: int = 0


def make_project(work: Work, job: Job) -> Made:
    """A project from what was uploaded for a data set.

    Raises
    ------
    UnknownJob : the data set is gone
    DataError : the file cannot be used
    """
    asked = DatasetRequest.model_validate(job.request)
    path = work.fetch(INPUT, job_id=job.job_id, ending=f".{asked.format}")
    if path is None:
        raise _gone()
    kind, ground = asked.kind, "you said so"
    if kind is None:
        found, ground = recognise_data(str(path))
        kind = "events" if found == "events" else "table"
    folder = work.folder / "project"
    if kind == "events":
        options = LogOptions(
            customer_id=asked.id or "",
            time=asked.time or "",
            type=asked.event_type or "",
            activity=asked.activity,
            zone=asked.zone,
            horizon_days=asked.horizon_days,
            lead_days=asked.lead_days,
            grace_days=asked.grace_days,
        )
        return create_event_project(
            folder, path, options, name=asked.name, ground=ground,
            progress=work.progress, cancel=work.cancel,
        )  # fmt: skip
    return create_project(
        folder, path, target=asked.target, positive=asked.positive, id_column=asked.id,
        name=asked.name, progress=work.progress, cancel=work.cancel,
    )  # fmt: skip


def find_dataset(work: Work, dataset_id: str) -> Job:
    """A data set that is ready.

    Raises
    ------
    UnknownJob : there is none with this id, or it could not be used
    """
    job = find_job(work.project.ledger.engine, dataset_id, "dataset")
    if job is None or job.state != "finished":
        raise _gone()
    return job


def _gone() -> UnknownJob:
    return UnknownJob(
        "the data set is not there, or could not be used.", fix="Upload it, and wait until it is."
    )


def on_services_ledger(project: Project, shared: Project, changes: dict[str, Any]) -> Project:
    """A job's project with the service's ledger, and with other settings.

    Parameters
    ----------
    changes : by table of churnkit.toml, keys with their values

    Raises
    ------
    SettingsInvalid : they cannot be used
    """
    settings = project.settings.model_dump(mode="json")
    settings["ledger"]["url"] = shared.ledger_url
    for table, values in changes.items():
        settings[table] = {**(settings[table] or {}), **values}
    try:
        return Project(project.folder, Settings.model_validate(settings))
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalid(
            f"{first['msg'].removeprefix('Value error, ')}.",
            fix="Mend it, or leave it out to have what the service's churnkit.toml says.",
            field=".".join(map(str, first["loc"])),
        ) from error
