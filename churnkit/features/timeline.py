"""The axis of time, cut wherever a moment or the start of a window lies.

Between two cuts it makes no difference to any feature when an event happened: events are added up
per cell, and the window of any feature at any moment is a run of cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from churnkit.features.moment import Moment

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Timeline:
    """The cells of a few moments and windows.

    A later event has the same cell or a later one, since days never go back (see
    ``days_go_back``). With ``before`` the number of moments before the event, its cell is
    ``before`` plus the number of windows' first days up to its day.

    Attributes
    ----------
    today : shape (n_moments,), the day of each moment
    starts : the first days of all windows at all moments, in order, each once
    last : shape (n_moments,), the last cell that counts at each moment
    n_cells : how many cells there are
    """

    today: Array
    starts: Array
    last: Array
    n_cells: int

    @classmethod
    def of(cls, moments: Sequence[Moment], windows: Iterable[int]) -> Timeline:
        """Cut time for these moments (in order, each once) and windows in days."""
        today = np.array([moment.as_of_day for moment in moments], np.int64)
        days = np.array(sorted(set(windows)), np.int64)
        starts = np.unique(today[:, None] - days[None, :] + 1)
        last = np.searchsorted(starts, today, "right") + np.arange(len(today))
        return cls(today, starts, last, int(last[-1]) + 1)

    def cells(self, day: Array, before: Array | None) -> Array:
        """The cell of each event.

        Parameters
        ----------
        day : shape (n_events,), the events' days
        before : shape (n_events,), how many moments lie before each event; None: none does
        """
        if not len(day):
            return np.zeros(0, np.int32)
        first = int(day.min())
        every = np.arange(first, int(day.max()) + 1)
        found: Array = np.searchsorted(self.starts, every, "right").astype(np.int32)[day - first]
        return found if before is None else found + before

    def first(self, window: int | None) -> Array:
        """Shape (n_moments,): the first cell of the window at each moment; None: of all time."""
        if window is None:
            return np.zeros(len(self.today), np.int64)
        start = self.today - window + 1
        first: Array = np.searchsorted(self.starts, start, "right")
        return first + np.searchsorted(self.today, start, "left")
