"""A small project of events with two models: what the long run works on."""

from __future__ import annotations

from pathlib import Path

import churnkit as ck
from churnkit.data.samples.locate import cdnow_path
from churnkit.settings.file import write_settings
from churnkit_stack.asking import Asking

CUSTOMERS = 1_500
_CANDIDATES = ("logistic_regression", "hist_gradient_boosting")


def make_project(folder: Path) -> Path:
    """The first customers of CDNOW; one that is there already is used again."""
    done = folder / "soak-ready"
    if done.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    head, *rows = cdnow_path().read_text(encoding="utf-8").splitlines(keepends=True)
    log = folder.with_suffix(".txt")
    some = [row for row in rows if int(row.split()[0]) <= CUSTOMERS]
    log.write_text(head + "".join(some), encoding="utf-8")
    project = ck.create_event_project(folder, log, ck.LogOptions(horizon_days=180)).project
    with project:
        for candidate in _CANDIDATES:
            settings = project.settings
            project.settings = settings.model_copy(
                update={
                    "churn": settings.churn.model_copy(
                        update={"as_of": ("1997-07-01", "1998-01-01")}
                    ),
                    "training": settings.training.model_copy(update={"candidates": (candidate,)}),
                }
            )
            write_settings(project.folder, project.settings)
            ck.train(project, seed=1, budget_seconds=5)
    done.touch()
    return folder


def asking() -> Asking:
    """All customers of it, who are only named: the service knows their features."""
    return Asking([f"{number:05d}" for number in range(1, CUSTOMERS + 1)])
