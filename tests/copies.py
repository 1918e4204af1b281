"""Copies of projects that tests share."""

from __future__ import annotations

import shutil
from pathlib import Path

_OPENED = ("*-shm", "*-wal")


def copy_project(source: Path, target: Path) -> Path:
    """A project that a test may change.

    Another test may look into the shared one at this moment: SQLite keeps two more files beside a
    ledger for as long as somebody has it open, and nothing that is only in them.
    """
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_OPENED)))
