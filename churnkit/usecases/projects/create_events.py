"""Create a project from a log of events, or see that the data is a table of customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType

from churnkit.data.column_facts import read_sample
from churnkit.data.event_import import LogImported, import_log
from churnkit.data.event_roles import LogRoles, guess_log, recognise
from churnkit.data.fact_sources import find_parts
from churnkit.data.sources import lasting_name
from churnkit.domain.events import Guess
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import AmbiguousLog
from churnkit.project import Project, open_project
from churnkit.reporting.event_tables import guesses_table
from churnkit.usecases.projects.asking import Answers, Choose, asking
from churnkit.usecases.projects.event_importing import FactsImported, project_requests
from churnkit.usecases.projects.log_settings import (
    LogOptions,
    guess_churn,
    guess_settings,
    said_of_columns,
)
from churnkit.usecases.projects.new_folder import new_folder, refuse_existing
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class LogCreated(Result):
    """A new project of events, and what was guessed about it."""

    project: Project
    guesses: tuple[Guess, ...]
    imported: LogImported

    def __rich__(self) -> RenderableType:
        return Group(
            f"Created the project '{self.project.settings.project.name}' from a log of events.",
            guesses_table(self.guesses),
            FactsImported(self.imported),
            "Is something wrong? Change it in churnkit.toml, then run 'churnkit import --rebuild'.",
        )

    def to_json(self) -> dict[str, object]:
        return {
            "folder": str(self.project.folder),
            "kind": "events",
            "guesses": [guess.model_dump(mode="json") for guess in self.guesses],
            "imported": self.imported.model_dump(mode="json"),
        }


def recognise_data(
    data: Sequence[str] | str, *, query: str = "", choose: Choose | None = None
) -> tuple[Literal["events", "snapshot"], str]:
    """Whether the data is a log of events or a table of customers, and the ground.

    Parameters
    ----------
    choose : asked when it is not clear; without it, it is taken for a table of customers

    Raises
    ------
    DataError : it cannot be read as a table
    """
    sources = [data] if isinstance(data, str) else list(data)
    if len(sources) == 1 and Path(sources[0]).suffix.lower() in (".xlsx", ".xlsm"):
        return "snapshot", "it is an Excel sheet"
    parts = find_parts(sources)
    sample = read_sample(parts, query=query)
    kind, ground = recognise(sample, len(parts))
    if kind == "odd":
        raise AmbiguousLog(
            f"this looks like a log of events, but {ground}.",
            fix="Write times as 2024-03-01T12:00, 01.03.2024, 03/01/2024 2:30 PM or seconds since "
            "1970; or say --kind snapshot if each row is a customer.",
            file=sample.name,
        )
    if kind == "unclear" and choose is not None:
        kind = choose(
            AmbiguousLog(
                f"Is it a log of events, or a snapshot with one row per customer? {ground}.",
                options=("events", "snapshot"),
                question="kind",
                file=sample.name,
            )
        )
        ground = "you said so"
    return ("events" if kind == "events" else "snapshot"), ground


def create_event_project(
    folder: Path | str,
    data: Sequence[str | Path] | str | Path,
    options: LogOptions | None = None,
    *,
    name: str | None = None,
    ground: str = "",
    choose: Choose | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> LogCreated:
    """Create a project folder from a log of events.

    The folder becomes a project whole or not at all.

    Parameters
    ----------
    folder : where; it may exist, but holds no project yet
    data : files, globs, folders of partitioned Parquet, or a SQLAlchemy URL (with a query)
    options : what the person says; the rest is guessed, and each guess has its ground
    name : of the project; the folder's name if not given
    ground : why the data was taken for a log, if somebody looked
    choose : asked when a column is not clear; without it the error is raised
    now : the present; later facts do not say until when the log is known

    Raises
    ------
    ProjectExists : the folder holds a project
    DataError : the data cannot be read, or too many rows are broken
    AmbiguousLog : it is not clear what a column is for, and nobody was there to choose
    FolderReadOnly, DiskFull : the folder cannot be written
    """
    told = options or LogOptions()
    home = Path(folder).expanduser().resolve()
    refuse_existing(home)
    named = [data] if isinstance(data, str | Path) else list(data)
    sources = tuple(lasting_name(source, folder=home) for source in named)
    progress(Step("guessing what each column is for"))
    parts = find_parts(sources, home)
    sample = read_sample(parts, query=told.query)

    def guessed(answers: Answers) -> LogRoles:
        return guess_log(
            sample, parts, said_of_columns(told, answers),
            query=told.query, progress=progress, cancel=cancel,
        )  # fmt: skip

    roles = asking(guessed, choose)
    guesses = [Guess(what="data", value="a log of events", ground=ground or "you said so")]
    guesses += roles.guesses
    settings, more = guess_settings(home, name or home.name, sources, told, roles, sample, choose)
    guesses += more
    with new_folder(home) as workshop:
        imported = import_log(
            settings,
            project_requests(settings, home),
            workshop.store / "churnkit.duckdb",
            workshop.store / "rejected",
            now=now or datetime.now(UTC),
            progress=progress,
            cancel=cancel,
        )
        settings, more = guess_churn(settings, told, imported)
        guesses += more
        workshop.publish(settings)
    return LogCreated(open_project(home), tuple(guesses), _moved(imported, workshop.path, home))


def _moved(imported: LogImported, workshop: Path, home: Path) -> LogImported:
    tables = tuple(
        table.model_copy(
            update={"rejected_file": table.rejected_file.replace(str(workshop), str(home), 1)}
        )
        for table in imported.tables
    )
    return imported.model_copy(update={"tables": tables})
