"""Add events, attributes and subscriptions to a project, each once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.data.event_import import LogImported, import_log
from churnkit.data.fact_import import FactTable, Request, TableImported
from churnkit.data.fact_sources import find_parts
from churnkit.data.zones import shown_moment
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.errors import DataUnreadable, SettingsInvalid
from churnkit.project import Project
from churnkit.settings.file import write_settings
from churnkit.settings.whole import Settings
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import suppressed_in


@dataclass(frozen=True, repr=False)
class FactsImported(Result):
    """What an import did: new, known already, repeated, set aside."""

    done: LogImported
    compared: bool = False

    def __rich__(self) -> RenderableType:
        lines = [line for table in self.done.tables for line in _lines(table, self.done.log.zone)]
        log = self.done.log
        if not self.done.changed:
            lines.append("Nothing changed.")
        elif self.compared:
            lines.append("Only compared: nothing was changed.")
        if log.first_us is not None and log.last_us is not None:
            lines.append(
                f"The log {'would hold' if self.compared else 'holds'} {log.n_events:,} events of "
                f"{log.n_customers:,} customers, "
                f"{shown_moment(log.first_us, log.zone)} … {shown_moment(log.last_us, log.zone)} "
                f"({log.zone})."
            )
        if log.n_future:
            lines.append(
                f"{log.n_future:,} events are dated after the present: is the time column right? "
                "They do not count for what is matured."
            )
        return Group(*map(Text, lines))

    def to_json(self) -> dict[str, object]:
        return {"compared": self.compared, **self.done.model_dump(mode="json")}


def import_facts(
    project: Project,
    data: Sequence[str | Path] | str | Path | None = None,
    *,
    into: FactTable = "events",
    query: str = "",
    rebuild: bool = False,
    compare_only: bool = False,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> FactsImported:
    """Add facts to an event project; what is there already is not added twice.

    Parameters
    ----------
    project : a project with an [events] table
    data : newer files, globs, folders or a database URL; None reads what churnkit.toml names
    into : the table that ``data`` belongs to
    query : SQL, for a database URL
    rebuild : build the log from nothing, after [events] or the zone were changed
    compare_only : say what would be done, and change nothing
    now : the present; later facts do not say until when the log is known

    Raises
    ------
    DataError : a source cannot be read, lacks a column, or has too many broken rows
    LogChanged : churnkit.toml describes the log otherwise than it was imported
    ProjectBusy : another process writes to the project
    """
    settings = project.settings
    if settings.events is None:
        raise SettingsInvalid(
            "this is no project of events: churnkit.toml has no [events] table.",
            fix="Create one with 'churnkit init DIR --data FILE --kind events'.",
            file=project.folder,
        )
    if data is None:
        requests = project_requests(settings, project.folder)
    else:
        named = [data] if isinstance(data, str | Path) else list(data)
        located = tuple(_located(source) for source in named)
        settings = _with_sources(settings, into, located, project.folder)
        new = Request(into, find_parts(located), query)
        requests = (*project_requests(settings, project.folder), new) if rebuild else (new,)
    with project.lease("importing"):
        done = import_log(
            settings,
            requests,
            project.database,
            project.store / "rejected",
            now=now or datetime.now(UTC),
            rebuild=rebuild,
            compare_only=compare_only,
            suppressed=suppressed_in(project),
            progress=progress,
            cancel=cancel,
        )
        if not compare_only and settings != project.settings:
            project.settings = settings
            write_settings(project.folder, settings)
    return FactsImported(done=done, compared=compare_only)


def project_requests(settings: Settings, folder: Path) -> tuple[Request, ...]:
    """Everything that churnkit.toml names.

    Raises
    ------
    DataUnreadable : a source names nothing
    """
    requests: list[Request] = []
    tables: tuple[FactTable, ...] = ("events", "attributes", "subscriptions")
    for table in tables:
        told = getattr(settings, table)
        if told is not None:
            requests.append(Request(table, find_parts(told.source, folder), told.query))
    return tuple(requests)


def _located(source: str | Path) -> str:
    text = str(source)
    return text if "://" in text else str(Path(text).expanduser().absolute())


def _with_sources(
    settings: Settings, table: FactTable, located: Sequence[str], folder: Path
) -> Settings:
    """Remember new files, so that the log can be built again; a query is not remembered."""
    told = getattr(settings, table)
    if told is None:
        return settings  # the import says what is missing
    known: set[str] = set()
    for source in told.source:
        with suppress(DataUnreadable):  # earlier files may be gone
            known |= {part.location for part in find_parts([source], folder)}
    new = [
        source
        for source in located
        if "://" not in source and not {p.location for p in find_parts([source])} <= known
    ]
    if not new:
        return settings
    kept = [str(Path(s).relative_to(folder)) if Path(s).is_relative_to(folder) else s for s in new]
    return settings.model_copy(
        update={table: told.model_copy(update={"source": (*told.source, *kept)})}
    )


def _lines(table: TableImported, zone: str) -> list[str]:
    merged = table.merged
    parts = f" from {table.n_parts:,} files" if table.n_parts > 1 else ""
    lines = [
        f"{table.n_rows:,} rows of {table.table}{parts}: {merged.n_new:,} new, "
        f"{merged.n_known:,} known already, {merged.n_repeated:,} repeated in this import, "
        f"{table.n_rejected:,} set aside."
    ]
    if merged.first_us is not None and merged.last_us is not None and table.table == "events":
        lines.append(
            f"  The new ones are of {shown_moment(merged.first_us, zone)} … "
            f"{shown_moment(merged.last_us, zone)}; {merged.n_new_customers:,} customers are new."
        )
    if merged.new_types:
        shown = ", ".join(merged.new_types[:8]) + (" …" if len(merged.new_types) > 8 else "")
        lines.append(f"  Types not seen before: {shown}.")
    if merged.n_repeated:
        lines.append(
            "  Rows that are equal in all columns of the key are one event, delivered again; "
            'events.duplicates = "keep" counts each.'
        )
    if merged.n_changed:
        lines.append(
            f"  {merged.n_changed:,} of the known ones came with other content; "
            "the first import stays."
        )
    lines += [
        f"  Set aside: {reason.n:,} × {f'{reason.column} {reason.reason}'.strip()}."
        for reason in table.reasons
    ]
    if table.rejected_file:
        lines.append(f"  They are in {table.rejected_file}; first: {table.first_rejected}.")
    if table.n_twice or table.n_never:
        lines.append(
            f"  Clock changes: {table.n_twice:,} local times exist twice (the first was taken), "
            f"{table.n_never:,} do not exist (moved forward by the gap)."
        )
    if table.empty:
        lines.append(f"  Files without rows: {', '.join(table.empty[:5])}.")
    return lines
