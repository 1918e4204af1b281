"""A model version's files: written whole, and checked against their hashes before use."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from churnkit.domain.columns import ModelSchema
from churnkit.domain.evaluation import Estimate
from churnkit.domain.frozen import Frozen
from churnkit.domain.models import Check
from churnkit.errors import (
    BundleError,
    BundleForeign,
    BundleTampered,
    BundleTooNew,
    BundleUnreadable,
)
from churnkit.files import storage_errors
from churnkit.registry.skops_file import dump_pipeline, load_pipeline
from churnkit.settings.models import ServingTable

FORMAT = 1
MANIFEST = "manifest.json"
PIPELINE = "pipeline.skops"
SCHEMA = "schema.json"
REFERENCE = "reference.json"
FEATURES = "features.json"
COMPILED = "compiled"


class Manifest(Frozen):
    """What a bundle holds.

    ``files`` maps each path inside the bundle to the SHA-256 (hex) of its bytes; the manifest's
    own hash is kept in the ledger.
    """

    churnkit_bundle: int
    """The format's version; readers look at it first."""
    version: str
    run_id: str
    candidate: str
    created_at: datetime
    files: dict[str, str]
    versions: dict[str, str]
    data_fingerprint: str
    feature_hash: str
    metrics: dict[str, Estimate]
    base_rate: float
    medium_risk: float
    high_risk: float


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are what the manifest says."""

    folder: Path
    manifest: Manifest
    schema: ModelSchema
    compiled_files: dict[str, bytes]
    reference: dict[str, Any]
    features: dict[str, Any] | None = None
    """The FeatureSet that builds the inputs from events, as plain data; None: a snapshot."""

    def load_pipeline(self) -> Any:
        """The scikit-learn pipeline; it takes half a second and is needed for many rows only.

        Raises
        ------
        BundleUnreadable, BundleTampered, UntrustedType : the file is not what was admitted
        """
        path = self.folder / PIPELINE
        _check_hash(path, self.manifest.files[PIPELINE], self.folder)
        return load_pipeline(path)


def write_bundle(
    folder: Path,
    *,
    version: str,
    run_id: str,
    candidate: str,
    created_at: datetime,
    schema: ModelSchema,
    data_fingerprint: str,
    feature_hash: str,
    metrics: Mapping[str, Estimate],
    base_rate: float,
    serving: ServingTable,
    versions: Mapping[str, str],
    pipeline: object,
    compiled_files: Mapping[str, bytes],
    reference: Mapping[str, Any],
    features: Mapping[str, Any] | None = None,
) -> tuple[Manifest, str]:
    """Write all files into a new folder that appears whole or not at all.

    Returns
    -------
    manifest : what was written
    manifest_hash : SHA-256 (hex) of manifest.json, for the ledger

    Raises
    ------
    UntrustedType : the pipeline holds a type that could not be read again
    DiskFull, FolderReadOnly : the folder cannot be written
    """
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".bundle-", dir=folder.parent))
        try:
            dump_pipeline(pipeline, work / PIPELINE)
            (work / SCHEMA).write_text(schema.model_dump_json(indent=1), encoding="utf-8")
            (work / REFERENCE).write_text(json.dumps(reference, indent=1), encoding="utf-8")
            if features is not None:
                (work / FEATURES).write_text(json.dumps(features, indent=1), encoding="utf-8")
            (work / COMPILED).mkdir()
            for name, content in compiled_files.items():
                (work / COMPILED / name).write_bytes(content)
            manifest = Manifest(
                churnkit_bundle=FORMAT,
                version=version,
                run_id=run_id,
                candidate=candidate,
                created_at=created_at,
                files={
                    path.relative_to(work).as_posix(): _hash(path.read_bytes())
                    for path in _files(work)
                },
                versions=dict(versions),
                data_fingerprint=data_fingerprint,
                feature_hash=feature_hash,
                metrics=dict(metrics),
                base_rate=base_rate,
                medium_risk=serving.medium_risk,
                high_risk=serving.high_risk,
            )
            content = manifest.model_dump_json(indent=1).encode()
            (work / MANIFEST).write_bytes(content)
            work.chmod(0o755)
            work.rename(folder)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return manifest, _hash(content)


def read_bundle(folder: Path, *, manifest_hash: str | None = None) -> Bundle:
    """Read a bundle; every hash is checked before a file is looked into.

    Parameters
    ----------
    manifest_hash : of manifest.json, from the ledger; None: it cannot be checked

    Raises
    ------
    BundleForeign : no bundle of churnkit
    BundleTooNew : a later churnkit wrote it
    BundleUnreadable : a file is missing or cut off
    BundleTampered : a file is not what was recorded, or one was added
    """
    content = _manifest_bytes(folder)
    if manifest_hash is not None and _hash(content) != manifest_hash:
        raise BundleTampered(
            "manifest.json is not the one that was admitted.",
            fix="Restore the bundle from a backup, or train again.",
            file=folder / MANIFEST,
        )
    manifest = _manifest(content, folder)
    extra = {path.relative_to(folder).as_posix() for path in _files(folder)} - {
        MANIFEST,
        *manifest.files,
    }
    if extra:
        raise BundleTampered(
            f"the bundle holds a file that was not recorded: {min(extra)}.",
            fix="Remove it, or restore the bundle from a backup.",
            file=folder / min(extra),
        )
    for name, digest in manifest.files.items():
        _check_hash(folder / name, digest, folder)
    try:
        schema = ModelSchema.model_validate_json((folder / SCHEMA).read_bytes())
        reference = json.loads((folder / REFERENCE).read_bytes())
        features = (
            json.loads((folder / FEATURES).read_bytes()) if FEATURES in manifest.files else None
        )
    except (OSError, ValueError) as error:
        raise _unreadable(folder / SCHEMA) from error
    compiled = {
        name.removeprefix(f"{COMPILED}/"): (folder / name).read_bytes()
        for name in manifest.files
        if name.startswith(f"{COMPILED}/")
    }
    return Bundle(folder, manifest, schema, compiled, reference, features)


def bundle_bytes(folder: Path, *, manifest_hash: str) -> dict[str, bytes]:
    """All files of a bundle by their path inside it, checked as by ``read_bundle``."""
    bundle = read_bundle(folder, manifest_hash=manifest_hash)
    paths = (MANIFEST, *bundle.manifest.files)
    return {path: (folder / path).read_bytes() for path in paths}


def write_bundle_bytes(folder: Path, files: Mapping[str, bytes]) -> None:
    """Lay a bundle's files into a folder that appears whole or not at all.

    Nothing is checked but the paths: ``read_bundle`` does that.

    Raises
    ------
    BundleTampered : a path leads out of the folder
    DiskFull, FolderReadOnly : the folder cannot be written
    """
    for name in files:
        _check_path(name, folder)
    with storage_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".bundle-", dir=folder.parent))
        try:
            for name, content in files.items():
                path = work / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)
            work.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            try:
                work.rename(folder)
            except OSError:
                # Another process was quicker; its files have the same hashes.
                if not folder.is_dir():
                    raise
                shutil.rmtree(work, ignore_errors=True)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise


def verify_bundle(folder: Path, manifest_hash: str | None = None) -> tuple[Check, ...]:
    """Look at each file of a bundle; problems are reported, not raised.

    Parameters
    ----------
    manifest_hash : of manifest.json, from the ledger; None: reported as unchecked
    """
    name = folder.name

    def failed(file: str, detail: str) -> Check:
        return Check(subject=f"{name}/{file}", state="failed", detail=detail)

    try:
        content = _manifest_bytes(folder)
    except BundleError as error:
        return (failed(MANIFEST, error.what),)
    checks: list[Check] = []
    if manifest_hash is None:
        detail = "its hash is in the ledger, which was not asked"
        checks.append(Check(subject=f"{name}/{MANIFEST}", state="unchecked", detail=detail))
    elif _hash(content) != manifest_hash:
        checks.append(failed(MANIFEST, "not the file that was admitted"))
    else:
        checks.append(Check(subject=f"{name}/{MANIFEST}", state="ok", detail=manifest_hash[:12]))
    try:
        manifest = _manifest(content, folder)
    except BundleError as error:
        return (*checks, failed(MANIFEST, error.what))
    for file, digest in manifest.files.items():
        try:
            _check_hash(folder / file, digest, folder)
            checks.append(Check(subject=f"{name}/{file}", state="ok", detail=digest[:12]))
        except BundleError as error:
            checks.append(failed(file, error.what))
    present = {path.relative_to(folder).as_posix() for path in _files(folder)}
    checks += [
        failed(file, "was not recorded") for file in sorted(present - {MANIFEST, *manifest.files})
    ]
    return tuple(checks)


# --- files --------------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _manifest_bytes(folder: Path) -> bytes:
    if not folder.is_dir():
        raise BundleUnreadable(
            "the model's folder is not there.",
            fix="Restore it from a backup, or train again.",
            folder=folder,
        )
    try:
        return (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise BundleForeign(
            "this folder is no bundle of churnkit: it has no manifest.json.",
            fix="Name a folder under store/bundles.",
            folder=folder,
        ) from None
    except OSError as error:
        raise _unreadable(folder / MANIFEST) from error


def _manifest(content: bytes, folder: Path) -> Manifest:
    """The manifest, whichever format of churnkit's it was written in."""
    try:
        found = json.loads(content)["churnkit_bundle"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleForeign(
            "manifest.json is not one of churnkit's.",
            fix="Restore it from a backup, or train again.",
            file=folder / MANIFEST,
        ) from error
    if not isinstance(found, int) or found > FORMAT:
        raise BundleTooNew(
            f"the bundle has format {found}; this churnkit reads up to {FORMAT}.",
            fix="Install a later churnkit.",
            folder=folder,
        )
    if found not in READERS:
        raise BundleForeign(f"there is no bundle format {found}.", folder=folder)
    return READERS[found](content, folder)


def _parse_1(content: bytes, folder: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise _unreadable(folder / MANIFEST) from error
    for name in manifest.files:
        _check_path(name, folder)
    missing = {PIPELINE, SCHEMA, REFERENCE} - set(manifest.files)
    if missing:
        raise BundleUnreadable(
            f"the manifest does not name {min(missing)}.", file=folder / MANIFEST
        )
    return manifest


READERS: dict[int, Callable[[bytes, Path], Manifest]] = {1: _parse_1}
"""A reader for each format that churnkit ever wrote; all give the manifest of today."""


def _check_path(name: str, folder: Path) -> None:
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts or len(parts) > 2:
        raise BundleTampered(
            f"the manifest names a file outside of the bundle: {name}.", folder=folder
        )


def _check_hash(path: Path, digest: str, folder: Path) -> None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BundleUnreadable(
            f"{path.relative_to(folder).as_posix()} is missing.",
            fix="Restore the bundle from a backup, or train again.",
            folder=folder,
        ) from None
    except OSError as error:
        raise _unreadable(path) from error
    if _hash(content) != digest:
        raise BundleTampered(
            f"{path.relative_to(folder).as_posix()} is not the file that was recorded.",
            fix="Restore the bundle from a backup, or train again.",
            file=path,
        )


def _unreadable(path: Path) -> BundleUnreadable:
    return BundleUnreadable(
        "the file cannot be read.",
        fix="Restore the bundle from a backup, or train again.",
        file=path,
    )
