"""Create a project from a table of customers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType

from churnkit.data.importing import import_table
from churnkit.data.reading import read_arrow
from churnkit.data.roles import guess_roles
from churnkit.data.sources import lasting_name, open_source
from churnkit.domain.columns import TableSchema
from churnkit.domain.profiles import RoleGuess
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import AmbiguousSheet, AmbiguousTarget
from churnkit.project import Project, open_project
from churnkit.reporting.tables import roles_table
from churnkit.settings.sources import ColumnsTable, DataTable
from churnkit.settings.whole import ProjectTable, Settings
from churnkit.usecases.projects.asking import Choose
from churnkit.usecases.projects.new_folder import new_folder, refuse_existing
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class Created(Result):
    """A new project, and what was guessed about its columns."""

    project: Project
    roles: tuple[RoleGuess, ...]
    table: TableSchema

    def __rich__(self) -> RenderableType:
        return Group(
            f"Created the project '{self.project.settings.project.name}' with "
            f"{self.table.n_rows:,} customers and {len(self.table.columns)} columns.",
            roles_table(self.roles),
            "Is a role wrong? Change it in churnkit.toml.",
        )

    def to_json(self) -> dict[str, object]:
        return {
            "folder": str(self.project.folder),
            "n_rows": self.table.n_rows,
            "fingerprint": self.table.fingerprint,
            "roles": [guess.model_dump(mode="json") for guess in self.roles],
        }


def create_project(
    folder: Path | str,
    data: Path | str,
    *,
    target: str | None = None,
    positive: str | None = None,
    id_column: str | None = None,
    query: str = "",
    sheet: str = "",
    name: str | None = None,
    choose: Choose | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Created:
    """Create a project folder from a file or a query.

    The folder appears whole or not at all.

    Parameters
    ----------
    folder : where; it may exist, but holds no project yet
    data : a CSV, Parquet or Excel file, or a SQLAlchemy URL (with ``query``)
    target, positive, id_column : columns and value, where the guess is not wanted
    query, sheet : for a database URL, and for an Excel file
    name : of the project; the folder's name if not given
    choose : asked when the sheet or the target is not clear; without it the error is raised

    Raises
    ------
    ProjectExists : the folder holds a project
    DataError : the file cannot be read, or the target cannot be used
    AmbiguousSheet, AmbiguousTarget : the sheet or the target is not clear, and nobody was there
        to choose
    FolderReadOnly, DiskFull : the folder cannot be written
    """
    home = Path(folder).expanduser().resolve()
    refuse_existing(home)
    kept = lasting_name(data, folder=home)
    try:
        source = open_source(data, query=query, sheet=sheet)
    except AmbiguousSheet as error:
        if choose is None:
            raise
        sheet = choose(error)
        source = open_source(data, query=query, sheet=sheet)
    with new_folder(home) as workshop:
        database = workshop.store / "churnkit.duckdb"
        workshop.store.mkdir()
        schema = import_table(source, database, progress=progress, cancel=cancel)
        progress(Step("guessing what each column is for"))
        table = read_arrow(database)
        while True:
            try:
                roles = guess_roles(
                    table, schema, target=target, positive=positive, id_column=id_column
                )
                break
            except AmbiguousTarget as error:
                if choose is None or not error.options:
                    raise
                answer = choose(error)
                if "column" in error.where:
                    target, positive = str(error.where["column"]), answer
                else:
                    target = answer
        settings = Settings(
            project=ProjectTable(name=name or home.name),
            data=DataTable(source=kept, query=query, sheet=sheet),
            columns=_columns(roles),
        )
        workshop.publish(settings)
    return Created(project=open_project(home), roles=roles, table=schema)


def _columns(roles: tuple[RoleGuess, ...]) -> ColumnsTable:
    def named(role: str) -> tuple[str, ...]:
        return tuple(guess.column for guess in roles if guess.role == role)

    target = next(guess for guess in roles if guess.role == "target")
    return ColumnsTable(
        target=target.column,
        positive=target.positive,
        id=next(iter(named("id")), ""),
        time=next(iter(named("time")), ""),
        ignore=named("ignore"),
    )
