"""The models of a service: the same rules as ``models``, without the project's folder.

A replica has no record of runs, no MLflow and no signing key, so that files come from where
``find_bundle`` finds them, and what cannot be checked is said to be unchecked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from churnkit.domain.columns import ModelInput
from churnkit.domain.models import Check, JournalEntry, ModelVersion
from churnkit.domain.replicas import Replica
from churnkit.errors import BundleError
from churnkit.ledger import replicas
from churnkit.ledger.idempotent import AnsweredAlready
from churnkit.project import Project
from churnkit.registry.bundle import Manifest, read_bundle, verify_bundle
from churnkit.registry.journal import holders, verify_chain, verify_versions
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.models.moving import Change, Keep, move
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.models.verbs import check_end, list_models

__all__ = ["AnsweredAlready", "Change", "list_models"]
MOST_LOADS = 3
"""So many models are kept ready beside the one that serves: each takes memory."""
_ALIVE = timedelta(seconds=30)
_FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True)
class Detail:
    """A model version and what its bundle says of it."""

    version: ModelVersion
    aliases: tuple[str, ...]
    manifest: Manifest
    inputs: tuple[ModelInput, ...]
    n_training_rows: int


def model_detail(project: Project, version: str) -> Detail:
    """A model version by name or alias, with what its bundle says.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    BundleError : its files are not what was admitted
    """
    known = find_version(project, version)
    bundle = read_bundle(find_bundle(project, known), manifest_hash=known.bundle_hash)
    held = holders(project.ledger.journal())
    return Detail(
        version=known,
        aliases=tuple(str(alias) for alias, name in held.items() if name == known.version),
        manifest=bundle.manifest,
        inputs=bundle.schema.inputs,
        n_training_rows=int(bundle.reference["n_rows"]),
    )


def change_alias(
    project: Project, change: Change, *, now: datetime, keep: Keep | None = None
) -> JournalEntry:
    """Change who holds an alias; every replica follows the journal.

    Raises
    ------
    UnknownModelVersion, NothingToRollBack, AliasMoved, BundleError, AnsweredAlready : see ``move``
    """
    _, entry = move(
        project, change, files=lambda known: find_bundle(project, known), now=now, keep=keep
    )
    return entry


def holders_at(project: Project, moment: datetime | None) -> dict[str, str | None]:
    """Who holds which alias, now or at a moment of the past."""
    return holders(project.ledger.journal(), moment)


def journal_page(project: Project, *, before: int | None, limit: int) -> tuple[JournalEntry, ...]:
    """Entries of the journal, the newest first.

    Parameters
    ----------
    before : only those with a smaller sequence
    """
    entries = project.ledger.journal()
    if before is not None:
        entries = entries[: max(before - 1, 0)]
    return entries[::-1][:limit]


def verify_journal(project: Project, *, files: bool) -> tuple[Check, ...]:
    """Check the journal's chain, its end, and that the versions are those it admitted.

    Parameters
    ----------
    files : check every file of every bundle, too
    """
    entries = project.ledger.journal()
    versions = project.ledger.model_versions()
    checks = [*verify_chain(entries), *verify_versions(entries, versions, None)]
    if files:
        checks += _file_checks(project, versions)
    return (*checks, *check_end(project, entries))


def _file_checks(project: Project, versions: Sequence[ModelVersion]) -> list[Check]:
    checks: list[Check] = []
    for version in versions:
        try:
            checks += verify_bundle(find_bundle(project, version), version.bundle_hash)
        except BundleError as error:
            checks.append(Check(subject=version.version, state="failed", detail=error.what))
    return checks


# --- what replicas have ready ----------------------------------------------------------------


def ask_for_load(project: Project, version: str, *, now: datetime, by: str) -> ModelVersion:
    """Let every replica make a model ready, so that it can serve at once when it is promoted.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    """
    known = find_version(project, version)
    replicas.ask_for_load(project.ledger.engine, known.version, at=now, by=by, most=MOST_LOADS)
    return known


def wanted_loads(project: Project) -> tuple[str, ...]:
    """The models that every replica shall have ready."""
    return replicas.wanted_loads(project.ledger.engine)


def say_alive(project: Project, replica: Replica) -> None:
    """Tell the others what this replica is."""
    replicas.say_alive(project.ledger.engine, replica, replica.seen_at - _FORGOTTEN)


def say_gone(project: Project, replica: str) -> None:
    """Tell the others that this replica ends."""
    replicas.say_gone(project.ledger.engine, replica)


def live_replicas(project: Project, now: datetime) -> tuple[Replica, ...]:
    """The replicas that were seen a moment ago."""
    return replicas.alive(project.ledger.engine, now - _ALIVE)
