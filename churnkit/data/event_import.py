"""Read events, attributes and subscriptions into the project's DuckDB file: all or nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import duckdb

from churnkit.data.database import meta, opened
from churnkit.data.event_store import DEFAULT_EVENT_KEY, EventStore
from churnkit.data.fact_import import Request, TableImported, attribute_columns, import_request
from churnkit.data.rejected import Rejected, next_file
from churnkit.data.suppressed import Suppressed
from churnkit.data.zones import moment_us
from churnkit.domain.events import LogSchema, ValueColumn
from churnkit.domain.frozen import Frozen
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import (
    DataEmpty,
    DataUnreadable,
    DiskFull,
    LogChanged,
    StorageError,
    storage_errors,
)
from churnkit.settings.whole import Settings


class LogImported(Frozen):
    """What an import did to a project."""

    tables: tuple[TableImported, ...]
    log: LogSchema
    changed: bool


def import_log(
    settings: Settings,
    requests: Sequence[Request],
    database: Path,
    rejected: Path,
    *,
    now: datetime,
    rebuild: bool = False,
    compare_only: bool = False,
    suppressed: Suppressed | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> LogImported:
    """Add facts to the database, each once; the file is replaced in one step at the end.

    Importing the same facts again changes nothing.

    Parameters
    ----------
    settings : churnkit.toml with an [events] table
    requests : what to read, into which tables
    database : the project's DuckDB file; it may not be there yet
    rejected : the folder for rows that cannot be used
    now : the present; later facts do not say until when the log is known
    rebuild : start from nothing instead of adding
    compare_only : say what would be done, and change nothing
    suppressed : tells erased customers, whose rows are left out

    Raises
    ------
    DataError : a source cannot be read as a table
    TooManyBroken : more rows cannot be used than ``max_broken_share``
    LogChanged : churnkit.toml describes other columns or another zone than those imported
    DataUnreadable : the database is damaged, or a later churnkit wrote it
    DiskFull, FolderReadOnly : the database cannot be written
    Cancelled : somebody asked to stop
    """
    with storage_errors(database):
        database.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=database.parent) as work:
            path = Path(work) / database.name
            if database.exists() and not rebuild:
                with opened(database):
                    pass  # it is whole, and of this churnkit
                shutil.copyfile(database, path)
            key = _key_before(database) if rebuild else None
            try:
                done = _import(
                    settings, requests, path, rejected, moment_us(now, "UTC"), compare_only,
                    suppressed, progress, cancel, key,
                )  # fmt: skip
            except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
                raise _storage_error(error, database) from error
            if not compare_only and (done.changed or rebuild or not database.exists()):
                path.replace(database)
    return done


def _import(
    settings: Settings,
    requests: Sequence[Request],
    path: Path,
    rejected: Path,
    now_us: int,
    compare_only: bool,
    suppressed: Suppressed | None,
    progress: Progress,
    cancel: Cancel | None,
    key: str | None,
) -> LogImported:
    assert settings.events is not None
    store = EventStore(path, spill=path.parent)
    try:
        if key is not None:
            store.set_entry(DEFAULT_EVENT_KEY, key)
        before = store.log_schema()
        zone = settings.project.zone
        values = tuple(
            ValueColumn(name=name, decimals=decimals)
            for name, decimals in settings.events.values.items()
        )
        _check_unchanged(before, zone, values, settings.events.categories)
        attributes = before.attributes if before is not None else ()
        tables: list[TableImported] = []
        for request in requests:
            if request.table == "attributes" and not attributes:
                attributes = attribute_columns(settings, request)
            with Rejected(next_file(rejected, request.table)) as aside:
                tables.append(
                    import_request(
                        store, settings, request, attributes, aside, progress, cancel, suppressed
                    )
                )
                if not compare_only:
                    file = aside.keep()
                    if file is not None:
                        tables[-1] = tables[-1].model_copy(update={"rejected_file": str(file)})
        progress(Step("describing the log"))
        log = store.describe(
            zone=zone,
            values=values,
            categories=settings.events.categories,
            attributes=attributes,
            now_us=now_us,
        )
        return LogImported(tables=tuple(tables), log=log, changed=log != before)
    finally:
        store.close()


def _key_before(database: Path) -> str | None:
    """What made an event the same in the log that is replaced, which may be damaged."""
    with suppress(DataUnreadable, DataEmpty, duckdb.Error), opened(database) as connection:
        return meta(connection, database, DEFAULT_EVENT_KEY)
    return None


def _check_unchanged(
    before: LogSchema | None,
    zone: str,
    values: tuple[ValueColumn, ...],
    categories: tuple[str, ...],
) -> None:
    if before is None:
        return
    for what, was, now in (
        ("project.zone", before.zone, zone),
        ("events.values", {v.name: v.decimals for v in before.values},
         {v.name: v.decimals for v in values}),
        ("events.categories", list(before.categories), list(categories)),
    ):  # fmt: skip
        if was != now:
            raise LogChanged(
                f"churnkit.toml says {what} = {now}, but the log was imported with {was}.",
                fix="Build the log again from all its sources with 'churnkit import --rebuild'.",
                field=what,
            )


def _storage_error(error: duckdb.Error, database: Path) -> Exception:
    text = str(error).splitlines()[0]
    if "No space left" in text or "max_temp_directory_size" in text:
        return DiskFull(
            "the disk is full; nothing was changed.",
            fix="Free some space and run the command again.",
            path=database,
        )
    return StorageError(
        f"the database cannot be written: {text}",
        fix="Check the disk, then run the command again; nothing was changed.",
        path=database,
    )
