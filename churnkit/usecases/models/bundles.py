"""Where a model version's files are: in a configured folder, the project's, or the database."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import platformdirs

from churnkit.domain.models import ModelVersion
from churnkit.errors import BundleUnreadable, FolderReadOnly
from churnkit.ledger.bundle_files import fetch_bundle
from churnkit.project import Project
from churnkit.registry.bundle import MANIFEST, write_bundle_bytes


def find_bundle(project: Project, version: ModelVersion) -> Path:
    """The folder of a version's bundle, fetched from the database when it is nowhere else.

    The content's hash decides: a folder with another manifest is passed over. Nothing else is
    checked here; ``read_bundle`` does that.

    Raises
    ------
    BundleUnreadable : it is nowhere
    """
    digest = version.bundle_hash
    configured = project.settings.service.bundles
    places = [
        *([Path(configured).expanduser() / digest] if configured else []),
        project.bundle(version.version),
        _cache() / digest,
    ]
    for place in places:
        if _has(place, digest):
            return place
    files = fetch_bundle(project.ledger.engine, digest)
    if not files:
        raise BundleUnreadable(
            f"the files of {version.version} are neither here nor in the database.",
            fix="Start 'churnkit serve' once on the project's folder, or set service.bundles.",
            version=version.version,
            hash=digest,
        )
    target = _cache() / digest
    try:
        write_bundle_bytes(target, files)
    except FolderReadOnly:  # a container without a home
        target = Path(tempfile.mkdtemp(prefix="churnkit-bundles-")) / digest
        write_bundle_bytes(target, files)
    return target


def _cache() -> Path:
    return Path(platformdirs.user_cache_dir("churnkit", appauthor=False)) / "bundles"


def _has(folder: Path, digest: str) -> bool:
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == digest
