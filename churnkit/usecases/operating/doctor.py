"""Look at what churnkit needs, and say what is wrong."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

from churnkit.data.event_reading import read_log_schema
from churnkit.data.reading import read_schema
from churnkit.domain.models import Check
from churnkit.errors import ChurnkitError, ProjectNotFound
from churnkit.project import Project, open_project
from churnkit.registry.head import load_key
from churnkit.usecases.models.verbs import Checks, verify_models

_NEEDED = (
    "duckdb", "mlflow-skinny", "numpy", "pandas", "pyarrow", "scikit-learn", "skops", "sqlalchemy",
    "treelite",
)  # fmt: skip
_LITTLE_SPACE = 500_000_000


def doctor(folder: Path | str = ".") -> Checks:
    """Check Python, the libraries, and the project in this folder, if there is one."""
    checks = [
        Check(
            subject="Python",
            state="ok" if sys.version_info >= (3, 11) else "failed",
            detail=f"{platform.python_version()} ({sys.executable})",
        )
    ]
    checks += [_library(name) for name in _NEEDED]
    home = Path(folder).expanduser().resolve()
    try:
        project = open_project(home)
    except ProjectNotFound:
        checks.append(Check(subject="project", state="unchecked", detail=f"none in {home}"))
        return Checks(tuple(checks))
    except ChurnkitError as error:
        checks.append(Check(subject="project", state="failed", detail=str(error)))
        return Checks(tuple(checks))
    with project:
        checks += _project(project)
    return Checks(tuple(checks))


def _library(name: str) -> Check:
    try:
        return Check(subject=name, state="ok", detail=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(subject=name, state="failed", detail="not installed; install churnkit again")


def _project(project: Project) -> list[Check]:
    checks = [Check(subject="project", state="ok", detail=repr(project))]
    writable = os.access(project.store if project.store.exists() else project.folder, os.W_OK)
    checks.append(
        Check(
            subject="folder",
            state="ok" if writable else "failed",
            detail="may be written to" if writable else "churnkit may not write here",
        )
    )
    free = shutil.disk_usage(project.folder).free
    checks.append(
        Check(
            subject="disk",
            state="ok" if free > _LITTLE_SPACE else "failed",
            detail=f"{free / 1e9:,.1f} GB free",
        )
    )
    try:
        checks.append(Check(subject="data", state="ok", detail=_imported(project)))
    except ChurnkitError as error:
        checks.append(Check(subject="data", state="failed", detail=str(error)))
    key = load_key(create=False)
    checks.append(
        Check(
            subject="journal key",
            state="ok" if key else "unchecked",
            detail="here" if key else "made when the first model is admitted",
        )
    )
    try:
        checks += verify_models(project).checks
    except ChurnkitError as error:
        checks.append(Check(subject="ledger", state="failed", detail=str(error)))
    return checks


def _imported(project: Project) -> str:
    if project.settings.events is not None:
        log = read_log_schema(project.database)
        return (
            f"{log.n_events:,} events of {log.n_customers:,} customers, "
            f"fingerprint {log.fingerprint[:12]}"
        )
    schema = read_schema(project.database)
    return (
        f"{schema.n_rows:,} rows, {len(schema.columns)} columns, "
        f"fingerprint {schema.fingerprint[:12]}"
    )
