"""A new project's folder: it becomes a project whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from churnkit.errors import ProjectExists
from churnkit.files import storage_errors
from churnkit.settings.file import FILE_NAME, write_settings
from churnkit.settings.whole import Settings


@dataclass(frozen=True, slots=True)
class Workshop:
    """A folder inside the new one, where its content is made."""

    path: Path
    home: Path

    @property
    def store(self) -> Path:
        """What becomes the project's store."""
        return self.path / "store"

    def publish(self, settings: Settings) -> None:
        """Make the folder a project."""
        with storage_errors(self.home):
            self.store.replace(self.home / "store")
        # The settings come last: a folder is a project when it has them.
        write_settings(self.home, settings)


def refuse_existing(home: Path) -> None:
    """Make sure that a project can be created in a folder.

    Raises
    ------
    ProjectExists : the folder holds a project, or a 'store' folder of somebody else
    """
    if (home / FILE_NAME).exists():
        raise ProjectExists(
            "this folder already holds a churnkit project.",
            fix="Choose another folder; or load newer data into this one with 'churnkit import'.",
            folder=home,
        )
    if home.exists() and not home.is_dir():
        raise ProjectExists("this is a file, not a folder.", fix="Choose another name.", path=home)
    store = home / "store"
    if store.exists():
        # Left by a process that died between its two last steps? Only then may it go.
        if {path.name for path in store.iterdir()} - {"churnkit.duckdb", "rejected"}:
            raise ProjectExists(
                "this folder has a 'store' folder that churnkit did not make.",
                fix="Choose another folder.",
                folder=home,
            )
        with storage_errors(store):
            shutil.rmtree(store)


@contextmanager
def new_folder(home: Path) -> Iterator[Workshop]:
    """A workshop that is gone at the end; so is the folder, if it is new and nothing is in it.

    Raises
    ------
    FolderReadOnly, DiskFull : the folder cannot be written
    """
    missing_before = not home.exists()
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=".churnkit-new-", dir=home))
    try:
        yield Workshop(path, home)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        if missing_before and not any(home.iterdir()):
            home.rmdir()
        raise
    shutil.rmtree(path, ignore_errors=True)
