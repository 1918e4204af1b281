"""Forget a customer: everywhere, for good, and with a note that says so without naming him."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.data.erasing import (
    erase_from_file,
    erase_from_log,
    erase_from_table,
    is_distinctive,
    mentions,
)
from churnkit.domain.progress import Progress, Step, silent
from churnkit.errors import DataError, SettingsInvalid
from churnkit.files import storage_errors
from churnkit.ledger.erasers import clean_pages, erase_rows, overwriting
from churnkit.ledger.jobs import running_jobs
from churnkit.ledger.replicas import alive
from churnkit.ledger.suppressions import add_suppression, remove_suppression, wait_for_writers
from churnkit.project import Project, user_name
from churnkit.registry.journal import holders, seal
from churnkit.usecases.journal_head import write_head
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import erasure_key

_MADE_AGAIN = ("reports", "store/artifacts", "store/jobs", "store/batches", "store/rejected")
"""Folders whose files can be made again: one that names the customer is deleted."""
_WRITING_SECONDS = 300.0
"""So long a transaction may take that began to write before."""
_ON_THE_WAY_SECONDS = 1.0
"""What a replica answered before it knew is committed after so long."""
_NOT_ROWS = (".duckdb", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".db", ".lock", ".skops")


@dataclass(frozen=True, repr=False)
class Erased(Result):
    """What was removed, and what a person still has to do."""

    pseudonym: str
    rows: dict[str, int]
    """By table of the ledger."""
    log_rows: dict[str, int]
    """By DuckDB file of the project."""
    file_rows: dict[str, int]
    """By file in the project folder."""
    deleted_files: tuple[str, ...]
    remains: tuple[str, ...]
    """Files in the project folder that still name him; churnkit does not know what they are."""
    sources: tuple[str, ...]
    """Sources outside of the folder, which churnkit does not touch."""
    clean: bool
    """Whether no deleted bytes are left in the ledger's own file."""
    note: str
    running_jobs: int = 0
    """Jobs that run: a file of theirs may name him when they end."""

    def __rich__(self) -> RenderableType:
        parts = {**self.rows, **self.log_rows, **self.file_rows}
        total = sum(parts.values())
        lines = [
            f"Erased: {total:,} rows"
            + (f" ({', '.join(f'{name} {n:,}' for name, n in parts.items())})" if parts else "")
            + "."
        ]
        if self.deleted_files:
            lines.append(f"Deleted, as they can be made again: {', '.join(self.deleted_files)}.")
        lines.append(
            f"Imports leave this customer out from now on (pseudonym {self.pseudonym[:12]}…)."
        )
        lines += [f"STILL NAMED in {name}: remove it yourself." for name in self.remains]
        lines += [f"Outside of the project, not touched: {name}." for name in self.sources]
        if not self.clean:
            lines.append(
                "Deleted bytes may be left in the ledger's file, because somebody reads it: "
                "run the command again when nothing else does."
            )
        if self.running_jobs:
            lines.append(
                f"{self.running_jobs} jobs run, and may have read him before: run the command "
                "again when they have ended."
            )
        lines.append(self.note)
        return Group(*map(Text, lines))

    def to_json(self) -> dict[str, object]:
        return {
            "pseudonym": self.pseudonym,
            "rows": self.rows,
            "log_rows": self.log_rows,
            "file_rows": self.file_rows,
            "deleted_files": list(self.deleted_files),
            "remains": list(self.remains),
            "sources": list(self.sources),
            "clean": self.clean,
            "running_jobs": self.running_jobs,
            "note": self.note,
        }


def erase(
    project: Project,
    customer_id: str,
    *,
    why: str = "asked to be forgotten",
    who: str = "",
    rewrite: bool = False,
    now: datetime | None = None,
    progress: Progress = silent,
) -> Erased:
    """Remove a customer from every store of the project, and see that he is not imported again.

    First the suppression is written, then files, then the ledger and the journal in one
    transaction; interrupted, the command is run again and goes on. Whatever writes rows of
    customers asks in its own transaction who was erased, and transactions that may have asked
    before are waited for: who was read before is not written afterwards. Where replicas of the
    service run, the ledger is gone through once more when each of them knows that he is not scored.

    Parameters
    ----------
    customer_id : as it is in the data
    why : for the journal; must not name him
    who : who does it; empty: the user of this process
    rewrite : on PostgreSQL write the tables anew, so that their files hold no deleted bytes; each
        is locked meanwhile

    Raises
    ------
    SettingsInvalid : customers have no id column, or the reason names him
    ProjectBusy : another process writes to the project
    LedgerBusy : a transaction has been writing to the ledger for minutes
    """
    now = now or datetime.now(UTC)
    wanted = customer_id.strip()
    _check(project, wanted, why)
    key = erasure_key(project)
    pseudonym = key.pseudonym(wanted)
    with project.lease("erasing"):
        progress(Step("noting that this customer is not taken in again"))
        with project.ledger.writing() as connection:
            add_suppression(connection, pseudonym, key_id=key.key_id, at=now, why=why)
        progress(Step("waiting for what is being written"))
        wait_for_writers(project.ledger.engine, at_most_seconds=_WRITING_SECONDS)
        progress(Step("erasing from the imported data"))
        log_rows = _from_databases(project, wanted, now)
        progress(Step("erasing from files"))
        file_rows, deleted, remains = _from_files(project, wanted)
        progress(Step("erasing from the ledger"))
        with project.ledger.journal_turn() as turn:
            overwriting(turn.connection)
            rows = erase_rows(turn.connection, wanted)
            known = turn.entries()
            removed = {**rows, **log_rows, "files": sum(file_rows.values()) + len(deleted)}
            entry = seal(
                at=now,
                who=who or user_name(),
                action="erase",
                alias="champion",
                version=holders(known)["champion"],
                why=why,
                evidence={
                    "pseudonym": pseudonym,
                    "key_id": key.key_id,
                    "removed": {name: n for name, n in removed.items() if n},
                },
                journal=known,
            )
            turn.append([entry])
        for name, n in _from_replicas(project, wanted, now, progress).items():
            rows[name] = rows.get(name, 0) + n
        write_head(project, (*known, entry), project.journal_head, now)
        progress(Step("cleaning the ledger's pages"))
        clean = clean_pages(project.ledger.engine, rewrite=rewrite)
    return Erased(
        pseudonym=pseudonym,
        rows=rows,
        log_rows=log_rows,
        file_rows=file_rows,
        deleted_files=tuple(deleted),
        remains=tuple(remains),
        sources=_outside(project),
        clean=clean,
        note=_note(project, wanted, rewrite),
        running_jobs=running_jobs(project.ledger.engine),
    )


@dataclass(frozen=True, repr=False)
class AllowedAgain(Result):
    """A customer who was erased may be taken in again."""

    pseudonym: str
    was_erased: bool

    def __rich__(self) -> RenderableType:
        if not self.was_erased:
            return "This customer was not erased; nothing was changed."
        return f"This customer may be taken in again (pseudonym {self.pseudonym[:12]}…)."

    def to_json(self) -> dict[str, object]:
        return {"pseudonym": self.pseudonym, "was_erased": self.was_erased}


def allow_again(
    project: Project, customer_id: str, *, why: str, who: str = "", now: datetime | None = None
) -> AllowedAgain:
    """Let a customer who was erased come back; what was erased stays away.

    Parameters
    ----------
    why : for the journal; must not name him

    Raises
    ------
    SettingsInvalid : customers have no id column, or the reason names him
    """
    now, wanted = now or datetime.now(UTC), customer_id.strip()
    _check(project, wanted, why)
    key = erasure_key(project)
    pseudonym = key.pseudonym(wanted)
    with project.ledger.journal_turn() as turn:
        if not remove_suppression(turn.connection, pseudonym):
            return AllowedAgain(pseudonym, was_erased=False)
        known = turn.entries()
        entry = seal(
            at=now,
            who=who or user_name(),
            action="allow",
            alias="champion",
            version=holders(known)["champion"],
            why=why,
            evidence={"pseudonym": pseudonym, "key_id": key.key_id},
            journal=known,
        )
        turn.append([entry])
    write_head(project, (*known, entry), project.journal_head, now)
    return AllowedAgain(pseudonym, was_erased=True)


def _from_replicas(
    project: Project, customer_id: str, now: datetime, progress: Progress
) -> dict[str, int]:
    """What replicas wrote that did not know yet that he was erased."""
    service = project.settings.service
    within = timedelta(seconds=5 * service.reload_seconds + _ON_THE_WAY_SECONDS)
    if not alive(project.ledger.engine, max(now, datetime.now(UTC)) - within):
        return {}
    progress(Step("waiting until the service's replicas know"))
    # Replicas look by themselves after so long, and say nothing when they have.
    time.sleep(service.reload_seconds + _ON_THE_WAY_SECONDS)
    with project.ledger.writing() as connection:
        overwriting(connection)
        return erase_rows(connection, customer_id)


def _check(project: Project, customer_id: str, why: str) -> None:
    settings = project.settings
    if not customer_id:
        raise SettingsInvalid("no customer was named.", fix="Give an id with --customer.")
    if settings.events is None and not settings.columns.id:
        raise SettingsInvalid(
            "the customers of this project have no ids, only the numbers of their rows.",
            fix="Set columns.id in churnkit.toml to the column that names the customer.",
            file=project.folder,
        )
    if customer_id in why:
        raise SettingsInvalid(
            "the reason names the customer, and the journal keeps it for ever.",
            fix="Give a reason without the id.",
        )


def _from_databases(project: Project, customer_id: str, now: datetime) -> dict[str, int]:
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


def _from_files(project: Project, customer_id: str) -> tuple[dict[str, int], list[str], list[str]]:
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
    return removed, deleted, remains


def _outside(project: Project) -> tuple[str, ...]:
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


def _note(project: Project, customer_id: str, rewrite: bool) -> str:
    text = "Backups, and what was exported from the project, are not in churnkit's reach."
    if not is_distinctive(customer_id):
        text += (
            " The id is so short that it was looked for only in columns that name customers: look "
            "through texts and tables of your own in the project folder."
        )
    if project.ledger.engine.dialect.name == "postgresql":
        pages = "" if rewrite else " and its tables' free pages (--rewrite writes them anew)"
        text += (
            f" PostgreSQL's own log (WAL), its archives{pages} may hold old bytes until they are"
            " reused or expire."
        )
    return text
