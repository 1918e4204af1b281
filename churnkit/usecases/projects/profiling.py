"""What is in the project's table: figures, duplicates, and columns that know the answer."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType

from churnkit.data.importing import read_blanks
from churnkit.data.leakage import find_leaks
from churnkit.data.profile import profile_table
from churnkit.domain.profiles import TableProfile
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.project import Project
from churnkit.reporting.tables import leaks_table
from churnkit.reporting.tables import profile_table as profile_view
from churnkit.usecases.features.panel import learning_rows
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class Profiled(Result):
    """A table in figures."""

    profile: TableProfile

    def __rich__(self) -> RenderableType:
        return Group(profile_view(self.profile), leaks_table(self.profile.leaks))

    def to_json(self) -> dict[str, object]:
        return {
            **self.profile.model_dump(mode="json"),
            "rate": self.profile.rate,
            "blocked": list(self.profile.blocked),
        }


def profile(
    project: Project, *, progress: Progress = silent, cancel: Cancel | None = None
) -> Profiled:
    """Look at every column of the imported table.

    Raises
    ------
    DataError : nothing was imported, or a column that churnkit.toml names is missing
    TargetInvalid : the target has blanks, or not two values
    """
    rows = learning_rows(project, progress=progress, cancel=cancel)
    table, schema = rows.table, rows.schema
    if cancel is not None:
        cancel.check()
    columns = project.settings.columns
    progress(Step("looking for columns that know the answer"))
    leaks = find_leaks(table, schema, columns, seed=project.settings.training.seed)
    if cancel is not None:
        cancel.check()
    progress(Step("counting"))
    seen = profile_table(
        table,
        schema,
        columns,
        source=project.settings.data.source or rows.ground,
        blanks=read_blanks(project.training_database),
        leaks=leaks,
    )
    return Profiled(profile=seen)
