"""Parts of jobs' files in a folder that all replicas share, when the database shall not hold them.

The row in the database stays the truth: it names the file that holds the part's bytes. A file is
whole before its row is written, and goes when its row is gone. What a crash leaves in between
belongs to no row, and is swept.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from churnkit.domain.jobs import JobPart
from churnkit.errors import DiskFull, StorageUnreachable
from churnkit.ledger.tables import job_files
from churnkit.ledger.transactions import after_commit, reading

FOLDER = "churnkit_files"
"""The execution option of an engine that holds the folder's path."""
_FIX = "Let service.files name the same folder, mounted and writable, on every replica."
_NO_SPACE = 28


def keep_content(connection: sa.Connection, job_id: str, part: JobPart) -> str | None:
    """Write a part's bytes into the folder.

    Returns
    -------
    place : where, below the folder; None: there is no folder, the database shall hold them

    Raises
    ------
    DiskFull, StorageUnreachable : the folder does not take them
    """
    folder = _folder(connection)
    if folder is None:
        return None
    place = f"{job_id}/{part.name}-{part.number}-{uuid.uuid4().hex}"
    path = folder / place
    try:
        # The folder itself is not made: where a mount is missing, files would go elsewhere.
        path.parent.mkdir(exist_ok=True)
        with path.open("xb") as file:
            file.write(part.content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        if error.errno == _NO_SPACE:
            raise DiskFull(
                "the folder of jobs' files is full.", fix="Free some space.", folder=folder
            ) from error
        raise StorageUnreachable(
            "the folder of jobs' files cannot be written.", fix=_FIX, folder=folder
        ) from error
    return place


def read_content(source: sa.Engine | sa.Connection, place: str | None, content: bytes) -> bytes:
    """A part's bytes, from the folder or as the row has them.

    Raises
    ------
    StorageUnreachable : the file that the row names is not there
    """
    if place is None:
        return bytes(content)
    folder = _folder(source)
    if folder is None:
        raise StorageUnreachable("a job's file is in a folder that is not set here.", fix=_FIX)
    try:
        return (folder / place).read_bytes()
    except OSError as error:
        raise StorageUnreachable(
            "a job's file is not in the folder of jobs' files.", fix=_FIX, folder=folder
        ) from error


def forget_contents(connection: sa.Connection, where: sa.ColumnElement[bool]) -> None:
    """Once the transaction is committed, delete the files of rows that it deletes."""
    folder = _folder(connection)
    if folder is None:
        return
    query = sa.select(job_files.c.place).where(where, job_files.c.place.is_not(None))
    places = list(connection.execute(query).scalars())
    if places:
        after_commit(connection, lambda: _unlink(folder, places))


def sweep(engine: sa.Engine, idle_seconds: float) -> int:
    """Delete files that no row names, and that are so old that none is about to.

    Returns
    -------
    n_deleted : how many
    """
    folder = _folder(engine)
    if folder is None or not folder.is_dir():
        return 0
    before = time.time() - idle_seconds
    lost: list[str] = []
    for job in folder.iterdir():
        if not job.is_dir():
            continue
        with suppress(OSError):
            old = [one for one in job.iterdir() if one.stat().st_mtime < before]
            query = sa.select(job_files.c.place).where(job_files.c.job_id == job.name)
            with reading(engine) as connection:
                named = set(connection.execute(query).scalars())
            lost += [place for one in old if (place := f"{job.name}/{one.name}") not in named]
            if not old and job.stat().st_mtime < before:
                job.rmdir()  # refused when it is not empty
    _unlink(folder, lost)
    return len(lost)


def _folder(source: sa.Engine | sa.Connection) -> Path | None:
    folder = source.get_execution_options().get(FOLDER)
    return folder if isinstance(folder, Path) else None


def _unlink(folder: Path, places: Iterable[str]) -> None:
    parents = set()
    for place in places:
        path = folder / place
        with suppress(OSError):  # a later sweep tries again
            path.unlink()
        parents.add(path.parent)
    for parent in parents:
        with suppress(OSError):  # other parts are in it
            parent.rmdir()
