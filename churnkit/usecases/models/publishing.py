"""A project's models into the database of its service.

The journal there is the project's own, row by row with its hashes, so that it stays verifiable;
bundles go by their content's hash, so that replicas need nothing of the folder but
churnkit.toml.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from churnkit.domain.models import ModelVersion
from churnkit.errors import BundleError, FolderReadOnly, StorageError
from churnkit.ledger.bundle_files import store_bundle, stored_bundles
from churnkit.project import Project, open_project
from churnkit.registry.bundle import bundle_bytes
from churnkit.registry.head import load_key
from churnkit.usecases.models.journal_head import write_head


def publish(folder: Path | str, target: Project) -> tuple[str, ...]:
    """Bring what a project's folder knows into the ledger that its service uses.

    Parameters
    ----------
    folder : the project's folder
    target : the project, opened on the service's database

    Returns
    -------
    notes : what was done, and what was not, for a person

    Raises
    ------
    StorageUnreachable : the database does not answer
    """
    notes: list[str] = []
    with open_project(folder) as home:
        elsewhere = home.ledger_url != target.ledger_url
        embedded = home.ledger_url.startswith("sqlite")
        if elsewhere and embedded and (home.store / "ledger.sqlite").exists():
            try:
                versions, journal = home.ledger.model_versions(), home.ledger.journal()
            except FolderReadOnly:
                # Made by an earlier churnkit, in a folder that may only be read, such as a
                # container's: what was published before serves on.
                versions, journal = (), ()
                notes.append(
                    "The project's own ledger has to be brought up to date first, and its folder "
                    "may not be written here: nothing was taken over from it. Run 'churnkit models "
                    "list' where it may be written."
                )
            moved = target.ledger.adopt(versions, journal) if versions else 0
            if moved is None:
                notes.append(
                    "The project's own ledger and the service's went different ways; the service "
                    "follows its own. Set ledger.url in churnkit.toml, so that there is one."
                )
            elif moved:
                notes.append(f"Took {moved} model version(s) over from the project's own ledger.")
                with suppress(StorageError):
                    if load_key(create=False) is not None:
                        write_head(target, journal, target.journal_head, datetime.now(UTC))
    if not target.ledger_url.startswith("sqlite"):
        notes += publish_bundles(target)
    return tuple(notes)


def publish_bundles(project: Project) -> tuple[str, ...]:
    """Store the bundles of the project's folder in its ledger's database."""
    engine = project.ledger.engine
    there = stored_bundles(engine)
    notes: list[str] = []
    for version in project.ledger.model_versions():
        if version.bundle_hash in there or not project.bundle(version.version).is_dir():
            continue
        try:
            store_bundle(engine, version.bundle_hash, _files(project, version))
        except BundleError as error:
            notes.append(f"{version.version} was not published: {error}")
    return tuple(notes)


def _files(project: Project, version: ModelVersion) -> dict[str, bytes]:
    return bundle_bytes(project.bundle(version.version), manifest_hash=version.bundle_hash)
