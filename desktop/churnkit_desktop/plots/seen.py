"""A plot takes some 20 ms to make: it is made when somebody looks, a part of it in each turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial, wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import shiboken6
from PySide6.QtCore import QTimer

P = ParamSpec("P")
_PAUSE_MS = 20
"""Longer than Qt waits to draw: each plot is drawn before the next one is made."""
_BREATH_MS = 2
"""Between the parts of a plot."""


class Seen(Protocol):
    """What draws now or later."""

    later: dict[tuple[str, str], Callable[[], None]]

    @property
    def is_made(self) -> bool:
        """Whether somebody has looked, and all that waited is drawn."""

    def make_part(self) -> bool:
        """Make the next part of the plot, or draw the next of what waits; False: it is whole."""


S = TypeVar("S", bound=Seen)
Draw = Callable[Concatenate[S, P], None]


def when_seen(draw: Draw[S, P]) -> Draw[S, P]:
    """Draw now where somebody has looked; else when somebody does, and then the latest of each.

    What has a name as its first argument is a series; there is one of it for each name.
    """
    of_series = list(signature(draw).parameters)[1:2] == ["name"]

    @wraps(draw)
    def drawn(chart: S, /, *given: P.args, **named: P.kwargs) -> None:
        if chart.is_made:
            draw(chart, *given, **named)
            return
        name = str(given[0]) if of_series else ""
        chart.later[draw.__name__, name] = partial(draw, chart, *given, **named)

    return drawn


class Turns:
    """Makes the plots of a screen part by part; between the parts the event loop comes round."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()

    def add(self, chart: Seen) -> None:
        """Make this one's plot soon."""
        self._waiting.append(chart)
        if len(self._waiting) == 1:
            QTimer.singleShot(_PAUSE_MS, self._next)

    def _next(self) -> None:
        chart, goes_on = self._waiting[0], False
        try:
            goes_on = shiboken6.isValid(chart) and chart.isVisible() and chart.make_part()
        finally:  # the charts behind one that cannot be drawn still get their turn
            if not goes_on:
                self._waiting.popleft()
            if self._waiting:
                QTimer.singleShot(_BREATH_MS if goes_on else _PAUSE_MS, self._next)
