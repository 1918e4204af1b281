"""What the journal says when a version becomes the champion; shared by all who may do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.errors import BundleUnreadable, StorageError
from churnkit.project import Project
from churnkit.registry.bundle import verify_bundle
from churnkit.registry.head import load_key
from churnkit.registry.journal import holders, seal
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.models.journal_head import write_head


def champion_entries(
    entries: Sequence[JournalEntry],
    version: ModelVersion,
    *,
    action: Literal["promote", "rollback"],
    before: ModelVersion | None,
    at: datetime,
    who: str,
    why: str,
    evidence: Mapping[str, Any] | None = None,
) -> tuple[JournalEntry, ...]:
    """The new champion's entry; a challenger that becomes it is none any longer.

    Parameters
    ----------
    entries : the journal so far
    before : who serves until then
    evidence : further plain data that spoke for it
    """
    moved = seal(
        at=at,
        who=who,
        action=action,
        alias="champion",
        version=version.version,
        why=why,
        evidence={**figures_of(version, before), **(evidence or {})},
        journal=entries,
    )
    if holders(entries)["challenger"] != version.version:
        return (moved,)
    retired = seal(
        at=at,
        who=who,
        action="retire",
        alias="challenger",
        version=None,
        why="it is the champion now",
        evidence={},
        journal=(*entries, moved),
    )
    return moved, retired


def check_files(project: Project, version: ModelVersion) -> None:
    """Refuse a version whose files are not what was admitted.

    Raises
    ------
    BundleError : they are missing or were changed
    """
    folder = project.bundle(version.version)
    if not folder.is_dir():  # a replica of the service
        folder = find_bundle(project, version)
    check_bundle(folder, version)


def check_bundle(folder: Path, version: ModelVersion) -> None:
    """Refuse a version whose folder does not hold what was admitted.

    Raises
    ------
    BundleUnreadable : it does not
    """
    checks = verify_bundle(folder, version.bundle_hash)
    failed = next((check for check in checks if check.state == "failed"), None)
    if failed is not None:
        raise BundleUnreadable(
            f"{version.version} may not serve: {failed.subject}: {failed.detail}",
            fix="Restore its files from a backup, or train again.",
            version=version.version,
        )


def tell_followers(project: Project, entries: Sequence[JournalEntry], at: datetime) -> None:
    """Sign the journal's end where this machine has the key, and let MLflow follow.

    Neither is the truth, and a replica of the service has neither: what cannot be told is told by
    the next change.
    """
    if not project.store.is_dir():
        return
    with suppress(StorageError):
        if load_key(create=False) is not None or project.ledger_url.startswith("sqlite"):
            write_head(project, entries, project.journal_head, at)
    with suppress(StorageError):
        if (project.store / "mlflow.db").exists():
            project.mlflow.set_aliases(holders(entries))


def figures_of(version: ModelVersion, before: ModelVersion | None) -> dict[str, Any]:
    """What spoke for the change: the figures of who comes, and of who goes."""
    names = ("roc_auc", "profit")

    def figures(of: ModelVersion) -> dict[str, Any]:
        return {name: of.metrics[name].model_dump() for name in names if name in of.metrics}

    told = {"bundle_hash": version.bundle_hash, **figures(version)}
    return told if before is None else {**told, "before": {before.version: figures(before)}}
