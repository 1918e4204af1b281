"""Processes of this machine, as /proc tells of them."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PARENT = 1
"""Behind the program's name in ``/proc/PID/stat``: its state, then its parent."""


def resident_bytes(pid: int) -> int | None:
    """What a process holds in memory; None: it is not there."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return None


def children(pid: int) -> list[int]:
    """Processes that a process has started, and that are still there."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # A name may hold blanks and parentheses: what counts stands behind its last one.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if int(fields[_PARENT]) == pid:
            found.append(int(folder.name))
    return found
