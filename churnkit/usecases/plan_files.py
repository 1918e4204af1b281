"""A file that holds a plan, of a rollout or an experiment."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from churnkit.errors import PlanInvalid


def read_plan_file(path: Path | str, *, fix: str) -> dict[str, Any]:
    """What is in the file, as plain data.

    Parameters
    ----------
    fix : says what such a file holds

    Raises
    ------
    PlanInvalid : it cannot be read as TOML
    """
    file = Path(path).expanduser()
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlanInvalid(f"the plan cannot be read: {error}.", fix=fix, file=file) from error
