"""How files are written: whole or not at all, and what the system refuses is said as an error."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churnkit.errors import DiskFull, FolderReadOnly, StorageError


@contextmanager
def storage_errors(path: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals to write into our errors.

    Raises
    ------
    DiskFull : no space, or a quota is used up
    FolderReadOnly : no permission, or a read-only file system
    StorageError : a folder stands where the file should be, or a file where a folder should
    """
    try:
        yield
    except OSError as error:
        # The last one: a limit on the size of files, which the system set for this process.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                "the disk is full; nothing was changed.",
                fix="Free some space and run the command again.",
                path=path,
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FolderReadOnly(
                "churnkit may not write here.",
                fix="Give yourself write permission, or choose another folder.",
                path=path,
            ) from error
        if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
            raise StorageError(
                f"this cannot be written: {os.strerror(error.errno).lower()}.",
                fix="Choose another name.",
                path=path,
            ) from error
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Let a file be written beside its place, under the same ending; it gets there when it is done.

    Raises
    ------
    DiskFull, FolderReadOnly, StorageError : it cannot be written; an earlier one is unchanged
    """
    with storage_errors(path):
        temporary = path.with_name(f".{path.stem}.new{path.suffix}")
        try:
            yield temporary
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step, and its folder where there is none.

    Raises
    ------
    DiskFull, FolderReadOnly, StorageError : it cannot be written; an earlier one is unchanged
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
