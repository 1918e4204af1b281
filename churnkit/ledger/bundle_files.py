"""Bundles in the ledger's database, by the hash of their manifest: replicas need no folder."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from churnkit.ledger.tables import bundle_files
from churnkit.ledger.transactions import reading, writing

_LOCK = 0x62756E646C65  # "bundle"


def stored_bundles(engine: sa.Engine) -> frozenset[str]:
    """The hashes of all bundles that are there."""
    with reading(engine) as connection:
        return frozenset(connection.execute(sa.select(bundle_files.c.bundle_hash)).scalars())


def store_bundle(engine: sa.Engine, bundle_hash: str, files: Mapping[str, bytes]) -> None:
    """Keep a bundle's files, all or none; a bundle that is there already stays as it is."""
    known = sa.select(bundle_files.c.path).where(bundle_files.c.bundle_hash == bundle_hash)
    with writing(engine, lock=_LOCK) as connection:
        if connection.execute(known).first() is None:
            connection.execute(
                sa.insert(bundle_files),
                [
                    {"bundle_hash": bundle_hash, "path": path, "content": content}
                    for path, content in files.items()
                ],
            )


def fetch_bundle(engine: sa.Engine, bundle_hash: str) -> dict[str, bytes]:
    """A bundle's files by their path; empty when it is not there. The caller checks hashes."""
    query = sa.select(bundle_files.c.path, bundle_files.c.content).where(
        bundle_files.c.bundle_hash == bundle_hash
    )
    with reading(engine) as connection:
        return {path: bytes(content) for path, content in connection.execute(query)}
