"""The journal's signed head: what shows a truncated or recomputed chain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from churnkit.domain.models import JournalEntry, JournalHead
from churnkit.errors import BundleUnreadable
from churnkit.files import write_whole
from churnkit.project import Project
from churnkit.registry.head import load_key, sign_head


def write_head(
    project: Project, journal: Sequence[JournalEntry], path: Path, now: datetime
) -> JournalHead | None:
    """Sign the journal's end and write it to a file, in one step.

    Returns None, and writes nothing, where no key can be had.
    """
    key = load_key(create=True)
    if key is None:
        return None
    head = sign_head(journal, key=key, at=now)
    write_whole(path, (head.model_dump_json(indent=1) + "\n").encode())
    return head


def read_head(path: Path) -> JournalHead:
    """A head that was written earlier.

    Raises
    ------
    BundleUnreadable : there is no such file, or it is no head
    """
    try:
        return JournalHead.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise BundleUnreadable(
            "this is no signed head of a journal.",
            fix="Export one with 'churnkit models head -o FILE'.",
            file=path,
        ) from error
