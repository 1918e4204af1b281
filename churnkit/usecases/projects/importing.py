"""Load newer data into a project, after comparing it with what is there."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType

from churnkit.data.comparing import compare_schemas
from churnkit.data.importing import import_table
from churnkit.data.reading import read_arrow, read_schema
from churnkit.data.sources import Source, lasting_name, open_source
from churnkit.data.target import check_target
from churnkit.domain.columns import SchemaChange, TableSchema
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.errors import ColumnMissing, SettingsInvalid
from churnkit.files import storage_errors
from churnkit.project import Project
from churnkit.reporting.tables import changes_table
from churnkit.settings.file import write_settings
from churnkit.settings.sources import DataTable
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import suppressed_in


@dataclass(frozen=True, repr=False)
class Imported(Result):
    """What came in, and how it differs from what was there."""

    source: str
    table: TableSchema
    changes: tuple[SchemaChange, ...]
    same_rows: bool
    replaced: bool

    def __rich__(self) -> RenderableType:
        verb = "Imported" if self.replaced else "Compared"
        lines: list[RenderableType] = [
            f"{verb} {self.table.n_rows:,} customers from {self.source}"
            + (": the same rows as before." if self.same_rows else ".")
        ]
        if self.changes:
            lines.append(changes_table(self.changes))
        else:
            lines.append("Columns, types and categories are as before.")
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "source": self.source,
            "n_rows": self.table.n_rows,
            "fingerprint": self.table.fingerprint,
            "same_rows": self.same_rows,
            "replaced": self.replaced,
            "changes": [change.model_dump(mode="json") for change in self.changes],
        }


def project_source(project: Project) -> Source:
    """The source that churnkit.toml names.

    Raises
    ------
    DataUnreadable : it cannot be read
    """
    data = project.settings.data
    return open_source(data.source, folder=project.folder, query=data.query, sheet=data.sheet)


def import_data(
    project: Project,
    data: Path | str | None = None,
    *,
    query: str = "",
    sheet: str = "",
    compare_only: bool = False,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Imported:
    """Replace the project's customers by those of a newer file, or only compare.

    Parameters
    ----------
    project : an opened project
    data : the newer file or database URL; None reads again what churnkit.toml names
    compare_only : report the differences and change nothing

    Raises
    ------
    DataError : the file cannot be read, or lacks the target, the id or the time
    ProjectBusy : another process writes to the project
    SettingsInvalid : the project is built from events
    """
    if project.settings.events is not None:
        raise SettingsInvalid(
            "this project is built from events: they are added, not replaced.",
            fix="Use import_facts, or 'churnkit import' on the command line.",
            file=project.folder,
        )
    if data is None:
        source = project_source(project)
        table = project.settings.data
    else:
        source = open_source(data, query=query, sheet=sheet)
        located = lasting_name(data, folder=project.folder)
        table = DataTable(source=located, query=query, sheet=sheet)
    columns = project.settings.columns
    with project.lease("importing"):
        before = read_schema(project.database)
        with storage_errors(project.store), tempfile.TemporaryDirectory(dir=project.store) as work:
            path = Path(work) / "churnkit.duckdb"
            schema = import_table(
                source,
                path,
                id_column=columns.id,
                suppressed=suppressed_in(project),
                progress=progress,
                cancel=cancel,
            )
            changes = compare_schemas(before, schema, ignore=columns.ignore)
            if not compare_only:
                for name in filter(None, (columns.target, columns.id, columns.time)):
                    if schema.column(name) is None:
                        raise ColumnMissing(
                            f"the newer data has no column '{name}', which the project needs.",
                            fix="Rename it in the file, or change [columns] in churnkit.toml.",
                            file=source.name,
                            column=name,
                        )
                check_target(read_arrow(path), columns.target, columns.positive)
                path.replace(project.database)
                if table != project.settings.data:
                    project.settings = project.settings.model_copy(update={"data": table})
                    write_settings(project.folder, project.settings)
    return Imported(
        source=source.name,
        table=schema,
        changes=changes,
        same_rows=schema.fingerprint == before.fingerprint,
        replaced=not compare_only,
    )


def n_customers(project: Project) -> int:
    """How many rows were imported: customers, in a project of events events.

    Raises
    ------
    DataEmpty : nothing was imported yet
    """
    return read_schema(project.database).n_rows
