"""Forget a customer in the files of the project folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from churnkit.data.erasing import (
    erase_from_file,
    erase_from_log,
    erase_from_table,
    is_distinctive,
    mentions,
)
from churnkit.errors import DataError
from churnkit.files import storage_errors
from churnkit.project import Project

_MADE_AGAIN = ("reports", "store/artifacts", "store/jobs", "store/batches", "store/rejected")
"""Folders whose files can be made again: one that names the customer is deleted."""
_NOT_ROWS = (".duckdb", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".db", ".lock", ".skops")


def erase_from_databases(project: Project, customer_id: str, now: datetime) -> dict[str, int]:
    """Remove a customer from the project's DuckDB files; by file, how many rows that were."""
    removed: dict[str, int] = {}
    is_log = project.settings.events is not None
    for path in sorted(project.store.glob("*.duckdb")):
        if is_log and path == project.database:
            n = erase_from_log(path, customer_id, now=now)
        else:
            n = erase_from_table(path, customer_id, id_column=project.settings.columns.id)
        if n:
            removed[path.name] = n
    return removed


@dataclass(frozen=True)
class FilesErased:
    """What became of the other files in the project folder; each by its name there."""

    rows: dict[str, int]
    deleted: tuple[str, ...]
    remains: tuple[str, ...]
    """Files that still name him; churnkit does not know what they are."""


def erase_from_files(project: Project, customer_id: str) -> FilesErased:
    """Remove a customer from files of rows; delete files that name him and can be made again."""
    removed: dict[str, int] = {}
    deleted: list[str] = []
    remains: list[str] = []
    again = [project.folder / name for name in _MADE_AGAIN]
    if not is_distinctive(customer_id):  # a short id is found in rows only: it may be any number
        again = [project.reports]
    settings = project.settings
    columns = {"customer_id", settings.columns.id, settings.outcomes.customer_id,
               settings.treatments.customer_id}  # fmt: skip
    tables = (settings.events, settings.attributes, settings.subscriptions)
    columns |= {table.customer_id for table in tables if table is not None}
    columns.discard("")
    for path in sorted(project.folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name.endswith(_NOT_ROWS):
            continue
        name = str(path.relative_to(project.folder))
        try:
            n = erase_from_file(path, customer_id, columns)
        except DataError:
            remains.append(f"{name} (perhaps: it cannot be read)")
            continue
        if n:
            removed[name] = n
        if not mentions(path, customer_id):
            continue
        if n is not None and path.suffix in (".parquet", ".pq", ".xlsx", ".gz"):
            continue  # compressed bytes that look like a short id
        if any(path.is_relative_to(folder) for folder in again):
            with storage_errors(path):
                path.unlink()
            deleted.append(name)
        elif (
            name != "churnkit.toml"
            and is_distinctive(customer_id)
            and not path.is_relative_to(project.store / "bundles")
        ):
            remains.append(name)
    for path in project.store.glob(".import-*"):  # of an import that was killed
        shutil.rmtree(path, ignore_errors=True)
    return FilesErased(removed, tuple(deleted), tuple(remains))


def sources_outside(project: Project) -> tuple[str, ...]:
    """What the project was made of and is not in its folder."""
    settings = project.settings
    tables = (settings.events, settings.attributes, settings.subscriptions)
    named = [settings.data.source, *(s for table in tables if table for s in table.source)]
    found = []
    for source in named:
        path = Path(source).expanduser()
        inside = not path.is_absolute() or path.is_relative_to(project.folder)
        if source and ("://" in source or not inside):
            found.append(source.partition("@")[2] or source if "://" in source else source)
    return tuple(dict.fromkeys(found))
