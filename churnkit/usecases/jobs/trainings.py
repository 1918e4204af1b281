"""Train a model on an uploaded data set, and write its report, as jobs.

The version goes into the ledger that the replicas share, its files with it; the run's record is
kept with the job, so that a report can be written as long as job and data set are there.
"""

from __future__ import annotations

import shutil
from typing import Any

from pydantic import Field

from churnkit.domain.frozen import Frozen
from churnkit.domain.jobs import REPORT, RUN, Job
from churnkit.domain.models import ModelVersion
from churnkit.domain.runs import RunRecord
from churnkit.errors import JobHasNoResult
from churnkit.ledger.job_claims import working
from churnkit.ledger.jobs import delete_files, insert_parts, jobs_page, next_part
from churnkit.project import Project
from churnkit.registry.journal import holders
from churnkit.usecases.features.feature_set import suggest_features
from churnkit.usecases.jobs.projects import find_dataset, make_project, on_services_ledger
from churnkit.usecases.jobs.work import Outcome, Work, bytes_parts
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.models.reports import write_report
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.projects.create_events import LogCreated
from churnkit.usecases.training.verbs import train

_PAGE = 100


class TrainingRequest(Frozen):
    """What to learn from, and how; None: what the service's churnkit.toml says.

    ``ignore`` are columns that the model must not see, ``allow_leaking`` those that it may see
    although they seem to know the answer. ``definition`` is a features.toml for a log; None: what
    churnkit suggests.
    """

    dataset_id: str
    budget_seconds: float | None = None
    seed: int | None = None
    candidates: tuple[str, ...] | None = None
    test_share: float | None = None
    ignore: tuple[str, ...] = ()
    allow_leaking: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    money: dict[str, Any] = Field(default_factory=dict)
    definition: str | None = None
    why: str = ""


class ReportRequest(Frozen):
    """Of which model version; None: the champion."""

    version: str | None = None


def train_on_dataset(work: Work) -> Outcome:
    """Search, calibrate, evaluate and admit a model.

    Raises
    ------
    UnknownJob : the data set is gone
    DataError, TrainingError : the data cannot be learnt from
    Cancelled, LetGo : somebody asked to stop; nothing was changed
    """
    job, shared = work.job, work.project
    known = next((v for v in shared.ledger.model_versions() if v.run_id == job.job_id), None)
    if known is not None:  # a process before this one admitted it, and died before it said so
        return _told(shared, known, _record_of(shared, job))
    asked = TrainingRequest.model_validate(job.request)

    def admitting(record: RunRecord) -> None:
        """From here on others see the model: the work is not cut off any more."""
        work.look()
        work.settled.set()
        with working(shared.ledger.engine, job) as connection:
            delete_files(connection, job.job_id, (RUN,))
            insert_parts(
                connection, job.job_id, bytes_parts(RUN, record.model_dump_json().encode())
            )

    with _project(work, asked) as project:
        work.look()
        trained = train(
            project,
            why=asked.why or "trained by the service",
            who=f"API key {job.owner}",
            run_id=job.job_id,
            mirror=False,
            admitting=admitting,
            progress=work.progress,
            cancel=work.cancel,
        )
    return _told(shared, trained.version, trained.record)


def _told(shared: Project, version: ModelVersion, record: RunRecord) -> Outcome:
    held = holders(shared.ledger.journal())
    evaluation = record.evaluation
    return Outcome(
        {
            "version": version.version,
            "alias": next((a for a, name in held.items() if name == version.version), None),
            "candidate": version.candidate,
            "metrics": {k: v.model_dump() for k, v in version.metrics.items()},
            "threshold": evaluation.threshold,
            "calibration": record.calibration,
            "n_train": record.n_train,
            "n_test": record.n_test,
            "trials": [
                {"candidate": trial.candidate, "roc_auc": trial.roc_auc,
                 "log_loss": trial.log_loss, "seconds": trial.seconds}
                for trial in record.trials
            ],
            "importance": {k: v.model_dump() for k, v in record.importance.items()},
            "left_out": record.left_out,
        }
    )  # fmt: skip


def report_on_version(work: Work) -> Outcome:
    """Write the report of a model version that was trained here: one HTML file.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    JobHasNoResult : it was trained elsewhere, or its training or its data set was deleted
    """
    asked = ReportRequest.model_validate(work.job.request)
    shared = work.project
    version = find_version(shared, asked.version)
    training = _training_of(shared, version.version)
    record = _record_of(shared, training)
    with _project(work, TrainingRequest.model_validate(training.request)) as project:
        work.look()
        project.write_run(record)
        shutil.copytree(find_bundle(shared, version), project.bundle(version.version))
        path = work.folder / "report.html"
        write_report(
            project, path, version=version.version, progress=work.progress, cancel=work.cancel
        )
    return Outcome({"version": version.version}, parts=bytes_parts(REPORT, path.read_bytes()))


def _project(work: Work, asked: TrainingRequest) -> Project:
    made = make_project(work, find_dataset(work, asked.dataset_id))
    work.look()
    if isinstance(made, LogCreated):
        if asked.definition is None:
            suggest_features(made.project)
        else:
            made.project.features_file.write_text(asked.definition, encoding="utf-8")
    shared = work.project.settings
    given = {
        "budget_seconds": asked.budget_seconds, "seed": asked.seed,
        "candidates": asked.candidates, "test_share": asked.test_share,
    }  # fmt: skip
    columns = made.project.settings.columns
    return on_services_ledger(
        made.project,
        work.project,
        {
            "project": {"name": shared.project.name},
            "money": {**shared.money.model_dump(mode="json"), **asked.money},
            "serving": shared.serving.model_dump(mode="json"),
            "training": {
                **shared.training.model_dump(mode="json"),
                **{name: value for name, value in given.items() if value is not None},
            },
            "columns": {
                "ignore": tuple(dict.fromkeys((*columns.ignore, *asked.ignore))),
                "allow_leaking": asked.allow_leaking,
                "segments": asked.segments,
            },
        },
    )


def _training_of(shared: Project, version: str) -> Job:
    """The training that a version came from."""
    after = None
    while page := jobs_page(
        shared.ledger.engine, "training", state="finished", after=after, limit=_PAGE
    ):
        for job in page:
            if job.result is not None and job.result.get("version") == version:
                return job
        after = (page[-1].created_at, page[-1].job_id)
    raise JobHasNoResult(
        f"{version} was not trained by this service, or its training was deleted.",
        fix="Write its report with 'churnkit report' in the project where it was trained.",
        version=version,
    )


def _record_of(shared: Project, training: Job) -> RunRecord:
    content, number = b"", -1
    while part := next_part(shared.ledger.engine, training.job_id, RUN, number):
        content += part.content
        number = part.number
    return RunRecord.model_validate_json(content)
