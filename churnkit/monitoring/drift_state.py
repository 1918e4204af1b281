"""What a drift test remembers of a stream between two looks: plain, and of constant size."""

from __future__ import annotations

from datetime import datetime

from churnkit.domain.frozen import Frozen
from churnkit.monitoring.counting import Counts

Grid = tuple[tuple[int, ...], ...]
"""Rows per feature and bin, or per feature and cell."""


class Start(Frozen):
    """A bet that the stream differs from what was before, from this row on."""

    row: int
    at: datetime | None
    cells: Grid
    counts: Counts
    log_weight: tuple[float, ...]
    """Of each feature; it grows when the wealth of a dropped start is handed on."""


class Alarm(Frozen):
    """The first look at which drift was proven."""

    look: int
    row: int
    at: datetime | None


class DriftState(Frozen):
    """All that is remembered between two looks."""

    baseline: str
    looks: int
    n_starts: int
    cells: Grid
    counts: Counts
    starts: tuple[Start, ...]
    alarm: Alarm | None = None
    feature_alarms: tuple[Alarm | None, ...]
    log_peak: tuple[float, ...]
    """The largest log E that each feature has had."""
