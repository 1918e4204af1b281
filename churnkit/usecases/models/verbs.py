"""Who serves, who served, who decided; and whether the files are what was admitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.domain.models import Check, JournalEntry, ModelVersion
from churnkit.domain.runs import RunRecord
from churnkit.errors import StorageError
from churnkit.project import Project, user_name
from churnkit.registry.bundle import verify_bundle
from churnkit.registry.head import check_head, load_key
from churnkit.registry.journal import holders, verify_chain, verify_versions
from churnkit.reporting.tables import (
    checks_table,
    evaluation_table,
    journal_table,
    trials_table,
    versions_table,
)
from churnkit.settings.money import Money
from churnkit.usecases.models.journal_head import read_head, write_head
from churnkit.usecases.models.moving import Change, move
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class Versions(Result):
    """All model versions, and who holds which alias."""

    versions: tuple[ModelVersion, ...]
    holders: dict[str, str | None]

    def __rich__(self) -> RenderableType:
        if not self.versions:
            return "No models yet. Train one with 'churnkit train'."
        return versions_table(self.versions, self.holders)

    def to_json(self) -> dict[str, object]:
        return {
            "holders": self.holders,
            "versions": [version.model_dump(mode="json") for version in self.versions],
        }


@dataclass(frozen=True, repr=False)
class Shown(Result):
    """One model version and the run that made it."""

    version: ModelVersion
    record: RunRecord
    aliases: tuple[str, ...]

    def __rich__(self) -> RenderableType:
        money = Money.model_validate(self.record.settings.get("money", {}))
        held = f", {' and '.join(self.aliases)}" if self.aliases else ""
        return Group(
            f"{self.version.version} ({self.version.candidate}{held}), run {self.version.run_id}, "
            f"data {self.version.data_fingerprint[:12]}, bundle {self.version.bundle_hash[:12]}",
            trials_table(self.record),
            evaluation_table(self.record.evaluation, money),
        )

    def to_json(self) -> dict[str, object]:
        return {
            "version": self.version.model_dump(mode="json"),
            "aliases": list(self.aliases),
            "run": self.record.model_dump(mode="json"),
        }


@dataclass(frozen=True, repr=False)
class Journal(Result):
    """Every change of who serves."""

    entries: tuple[JournalEntry, ...]

    def __rich__(self) -> RenderableType:
        if not self.entries:
            return "Nothing has happened yet."
        return journal_table(self.entries)

    def to_json(self) -> dict[str, object]:
        return {"journal": [entry.model_dump(mode="json") for entry in self.entries]}


@dataclass(frozen=True, repr=False)
class Moved(Result):
    """One change of who serves; or that nothing had to change, with the entry that holds."""

    entry: JournalEntry
    notes: tuple[str, ...] = ()
    changed: bool = True

    def __rich__(self) -> RenderableType:
        if not self.changed:
            return Text(
                f"{self.entry.version} is the {self.entry.alias} already, since "
                f"{self.entry.at:%Y-%m-%d %H:%M} UTC; nothing was changed."
            )
        before = self.entry.previous_version or "nobody"
        moved = f"{self.entry.version} is now the {self.entry.alias} (before: {before})."
        return Text("\n".join((moved, *self.notes)))

    def to_json(self) -> dict[str, object]:
        return {**self.entry.model_dump(mode="json"), "changed": self.changed}


@dataclass(frozen=True, repr=False)
class Checks(Result):
    """What was looked at, and whether it holds."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.state != "failed" for check in self.checks)

    def __rich__(self) -> RenderableType:
        return checks_table(self.checks)

    def to_json(self) -> dict[str, object]:
        return {"ok": self.ok, "checks": [check.model_dump() for check in self.checks]}


def list_models(project: Project) -> Versions:
    """All model versions, in the order of their creation."""
    ledger = project.ledger
    return Versions(versions=ledger.model_versions(), holders=holders(ledger.journal()))


def show_model(project: Project, version: str | None = None) -> Shown:
    """A model version by name or alias; None is the champion.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    """
    known = find_version(project, version)
    held = holders(project.ledger.journal())
    return Shown(
        version=known,
        record=project.read_run(known.run_id),
        aliases=tuple(str(alias) for alias, name in held.items() if name == known.version),
    )


def journal(project: Project) -> Journal:
    """Every change of who serves, the oldest first."""
    return Journal(project.ledger.journal())


def serving_at(project: Project, moment: datetime) -> str | None:
    """The version that was the champion at a moment, or None."""
    return holders(project.ledger.journal(), moment).get("champion")


def promote(project: Project, version: str, *, why: str = "") -> Moved:
    """Let a version serve as the champion; the journal stays as it is if it does already.

    Raises
    ------
    UnknownModelVersion : no such version
    BundleError : its files are not what was admitted
    ProjectBusy : another process writes to the project
    """
    known = find_version(project, version)
    return _move(project, "promote", known.version, why or "promoted by hand")


def rollback(project: Project, *, why: str = "") -> Moved:
    """Let the champion before this one serve again.

    Raises
    ------
    NothingToRollBack : there was none
    BundleError : its files are not what was admitted
    ProjectBusy : another process writes to the project
    """
    return _move(project, "rollback", None, why or "rolled back by hand")


def _move(
    project: Project, action: Literal["promote", "rollback"], version: str | None, why: str
) -> Moved:
    """Change the champion, sign the journal's new end, and tell MLflow."""
    now = datetime.now(UTC)
    change = Change(action=action, version=version, who=user_name(), why=why, unless_held=True)
    with project.lease(f"changing who serves ({action})"):
        entries, entry = move(
            project, change, files=lambda known: project.bundle(known.version), now=now
        )
        if entry.at != now:
            return Moved(entry, changed=False)
        write_head(project, entries, project.journal_head, now)
        try:
            project.mlflow.set_aliases(holders(entries))
        except StorageError as error:  # the journal is the truth; MLflow follows it when it can
            return Moved(entry, (f"MLflow was not told: {error}",))
    return Moved(entry)


@dataclass(frozen=True, repr=False)
class Exported(Result):
    """The signed head of a journal, in a file of its own."""

    path: Path

    def __rich__(self) -> RenderableType:
        return Text(f"Wrote {self.path}: 'churnkit models verify --head' reads it.")

    def to_json(self) -> dict[str, object]:
        return {"path": str(self.path)}


def export_head(project: Project, path: Path | str) -> Exported:
    """Sign the journal's end and write it to a file that is kept elsewhere."""
    target = Path(path).expanduser()
    write_head(project, project.ledger.journal(), target, datetime.now(UTC))
    return Exported(target)


def verify_models(project: Project, head: Path | str | None = None) -> Checks:
    """Check every file of every model, the records of their runs, and the journal.

    Parameters
    ----------
    head : a signed head that was exported; None: the one that the project keeps
    """
    entries = project.ledger.journal()
    checks: list[Check] = []
    versions = project.ledger.model_versions()
    for version in versions:
        checks += verify_bundle(project.bundle(version.version), version.bundle_hash)
    checks += verify_chain(entries)
    records = {version.run_id: project.run_hash(version.run_id) for version in versions}
    checks += verify_versions(entries, versions, records)
    return Checks((*checks, *check_end(project, entries, head)))


def check_end(
    project: Project, entries: Sequence[JournalEntry], head: Path | str | None = None
) -> tuple[Check, ...]:
    """Whether the journal goes on from a signed head; says where that cannot be known."""
    path = project.journal_head if head is None else Path(head).expanduser()
    fell_back: tuple[Check, ...] = ()
    if head is None and not path.exists() and path != project.own_journal_head:
        # A database that is new to this folder, such as a restored one, goes on from its journal.
        path = project.own_journal_head
        fell_back = (
            Check(
                subject="journal's end in this database",
                state="unchecked",
                detail="it has no signed head of its own: rows cut off since the folder's head "
                "cannot be seen; give one with --head FILE.",
            ),
        )
    if head is None and not path.exists():
        return (
            Check(
                subject="journal's end",
                state="failed" if entries and load_key(create=False) else "unchecked",
                detail="the project's signed head is missing: whether rows were cut off at the "
                "end, or the chain was recomputed, cannot be seen; give one with --head FILE.",
            ),
        )
    key = load_key(create=False)
    if key is None:
        return (
            Check(
                subject="journal's end",
                state="unchecked",
                detail="the signing key is not here: the chain is consistent in itself, but it "
                "could have been cut off or recomputed; set CHURNKIT_JOURNAL_KEY.",
            ),
        )
    return (*check_head(entries, read_head(path), key=key), *fell_back)
