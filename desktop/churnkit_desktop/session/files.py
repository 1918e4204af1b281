"""Small files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def read_document(path: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is missing or damaged.

    A damaged file is kept beside, so that nothing of it is lost.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        damaged = path.with_suffix(".damaged")
        if path.is_file():
            path.replace(damaged)
        return {}
    return document if isinstance(document, dict) else {}


def write_text(path: Path, text: str) -> None:
    """Replace the file in one step; what was there stays if the disk is full."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
