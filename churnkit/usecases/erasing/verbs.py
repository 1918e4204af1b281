"""Forget a customer: everywhere, for good, and with a note that says so without naming him."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.data.erasing import is_distinctive
from churnkit.domain.progress import Progress, Step, silent
from churnkit.errors import SettingsInvalid
from churnkit.ledger.erasers import clean_pages, erase_rows, overwriting
from churnkit.ledger.jobs import running_jobs
from churnkit.ledger.replicas import alive
from churnkit.ledger.suppressions import add_suppression, remove_suppression, wait_for_writers
from churnkit.project import Project, user_name
from churnkit.usecases.erasing.folder import erase_from_databases, erase_from_files, sources_outside
from churnkit.usecases.models.journal_head import write_head
from churnkit.usecases.models.journal_notes import note
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import erasure_key

_WRITING_SECONDS = 300.0
"""So long a transaction may take that began to write before."""
_ON_THE_WAY_SECONDS = 1.0
"""What a replica answered before it knew is committed after so long."""


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
        log_rows = erase_from_databases(project, wanted, now)
        progress(Step("erasing from files"))
        files = erase_from_files(project, wanted)
        progress(Step("erasing from the ledger"))
        with project.ledger.journal_turn() as turn:
            overwriting(turn.connection)
            rows = erase_rows(turn.connection, wanted)
            n_files = sum(files.rows.values()) + len(files.deleted)
            removed = {**rows, **log_rows, "files": n_files}
            evidence = {
                "pseudonym": pseudonym,
                "key_id": key.key_id,
                "removed": {name: n for name, n in removed.items() if n},
            }
            journal = note(
                turn, "erase", evidence, alias="champion", who=who or user_name(), why=why, at=now
            )
        for name, n in _from_replicas(project, wanted, now, progress).items():
            rows[name] = rows.get(name, 0) + n
        write_head(project, journal, project.journal_head, now)
        progress(Step("cleaning the ledger's pages"))
        clean = clean_pages(project.ledger.engine, rewrite=rewrite)
    return Erased(
        pseudonym=pseudonym,
        rows=rows,
        log_rows=log_rows,
        file_rows=files.rows,
        deleted_files=files.deleted,
        remains=files.remains,
        sources=sources_outside(project),
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
        evidence = {"pseudonym": pseudonym, "key_id": key.key_id}
        journal = note(
            turn, "allow", evidence, alias="champion", who=who or user_name(), why=why, at=now
        )
    write_head(project, journal, project.journal_head, now)
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
