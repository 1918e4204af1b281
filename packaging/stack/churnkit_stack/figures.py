"""Prometheus with the rules of this project, and the addresses of this machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from churnkit_stack.finding import root

FILES = ("prometheus.yml", "alerts.yml")


def prepare(folder: Path, targets: Mapping[str, Sequence[str]]) -> Path:
    """Lay Prometheus' files into a folder of its own; gives its configuration.

    Parameters
    ----------
    targets : the addresses of each job, such as ``{"churnkit": ["127.0.0.1:8001"]}``
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(root() / "packaging" / "prometheus" / name, folder / name)
    for job, addresses in targets.items():
        where = folder / "targets" / f"{job}.json"
        where.parent.mkdir(exist_ok=True)
        where.write_text(json.dumps([{"targets": list(addresses)}]), encoding="utf-8")
    return folder / FILES[0]
