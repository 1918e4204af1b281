"""A small project of events with a champion and online states."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

import churnkit as ck
from churnkit.data.samples.locate import cdnow_path
from churnkit.settings.file import write_settings
from churnkit.training import fit
from churnkit.usecases.training import verbs as training
from tests.live import one_trial

END = datetime(1998, 6, 30, tzinfo=UTC)
"""The last day of its log."""


_CANDIDATES = ("logistic_regression", "hist_gradient_boosting")


def make_online_project(folder: Path, customers: int = 1_500, candidates: int = 1) -> Path:
    """A project of the first customers of CDNOW.

    Parameters
    ----------
    candidates : how many model versions it has; the first one is the champion
    """
    head, *rows = cdnow_path().read_text(encoding="utf-8").splitlines(keepends=True)
    log = folder.with_suffix(".txt")
    some = [row for row in rows if int(row.split()[0]) <= customers]
    log.write_text(head + "".join(some), encoding="utf-8")
    project = ck.create_event_project(folder, log, ck.LogOptions(horizon_days=180)).project
    with project, pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "tell_mlflow", lambda *_: ())
        patch.setattr(fit, "search", partial(one_trial, fit.search))
        for candidate in _CANDIDATES[:candidates]:
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
            ck.train(project, seed=1)
        ck.rebuild_online(project)
    return project.folder
