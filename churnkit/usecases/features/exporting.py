"""Write what Spark needs to build the same features."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType

from churnkit.data.database import opened
from churnkit.data.event_tables import ATTRIBUTES, CUSTOMERS, EVENTS, SUBSCRIPTIONS
from churnkit.domain.progress import Progress, Step, silent
from churnkit.errors import ProjectExists
from churnkit.features.toml import FILE_NAME, write_features
from churnkit.files import storage_errors
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.feature_set import open_features
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import ErasureWatch

SCHEMA_FILE = "log_schema.json"


@dataclass(frozen=True, repr=False)
class ExportedTables(Result):
    """Where the tables of the log were written for Spark."""

    folder: Path
    rows: dict[str, int]

    def __rich__(self) -> RenderableType:
        told = ", ".join(f"{name} {n:,}" for name, n in self.rows.items())
        return escape_text(
            f"Wrote {told} rows, the log's schema and features.toml to {self.folder}."
        )

    def to_json(self) -> dict[str, object]:
        return {"folder": str(self.folder), "rows": self.rows}


def export_features(
    project: Project, folder: Path | str, *, progress: Progress = silent
) -> ExportedTables:
    """Write what Spark needs to build the same features: Parquet tables, schema, features.toml.

    Parameters
    ----------
    folder : a new folder; it appears whole or not at all

    Raises
    ------
    ProjectExists : the folder is there already
    FeatureError : features.toml cannot be used
    """
    features, schema = open_features(project)
    path = Path(folder).expanduser()
    if path.exists():
        raise ProjectExists("the folder is there already.", fix="Name a new one.", folder=path)
    rows: dict[str, int] = {}
    erasures = ErasureWatch(project)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as work,
            opened(project.database) as connection,
        ):
            whole = Path(work) / "tables"
            whole.mkdir()
            for name in (CUSTOMERS, EVENTS, ATTRIBUTES, SUBSCRIPTIONS):
                progress(Step(f"writing {name}"))
                file = str(whole / f"{name}.parquet").replace("'", "''")
                kinds = "REPLACE (CAST(event_type AS VARCHAR) AS event_type)" * (name == EVENTS)
                found = connection.execute(
                    f"COPY (SELECT * {kinds} FROM {name}) TO '{file}' (FORMAT parquet)"
                ).fetchall()
                rows[name] = int(found[0][0])
            (whole / SCHEMA_FILE).write_text(schema.model_dump_json(indent=1), encoding="utf-8")
            write_features(whole / FILE_NAME, features)
            with erasures.keeping(path):
                whole.rename(path)
    return ExportedTables(path, rows)
