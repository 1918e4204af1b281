"""What a project folder knows of how its models do: what was measured last, and the scores."""

from __future__ import annotations

import numpy as np

from churnkit.project import Project
from churnkit.usecases.operating.figures import monthly_quality
from churnkit_desktop.backend.monitor_facts import (
    Interval,
    MonitorFacts,
    QualityLine,
    Shape,
    shares,
)
from churnkit_desktop.backend.score_table import ScoreTable
from churnkit_desktop.language import tr

_BINS = 20
_LIVE = tr("A project folder answers no requests. Connect to a service to watch it live.")
_MEASURE = tr("Press “Measure now”. It needs predictions in the ledger and, for quality, outcomes.")
_WHY = {
    "live": _LIVE,
    "requests": _LIVE,
    "scores": tr("Nobody has been scored yet."),
    "drift": _MEASURE,
    "quality": _MEASURE,
    "ahead": _MEASURE,
    "alerts": _MEASURE,
}


def monitor(project: Project, scores: ScoreTable) -> MonitorFacts:
    """The figures of each month, and how the latest scores are distributed."""
    quality = tuple(
        QualityLine(
            one.model_version,
            one.month,
            one.name,
            one.n,
            Interval(one.estimate.value, one.estimate.low, one.estimate.high),
        )
        for one in monthly_quality(project)
    )
    shapes: tuple[Shape, ...] = ()
    if scores.there:
        p = scores.probabilities()
        counts, _ = np.histogram(p, bins=_BINS, range=(0.0, 1.0))
        shapes = (Shape(tr("latest scores"), len(p), float(p.mean()), shares(counts.tolist())),)
    return MonitorFacts(shapes=shapes, quality=quality, why=_WHY, can_measure=True)
