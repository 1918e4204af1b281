"""How long work says where it is, and how it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from churnkit.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Step:
    """One report of progress.

    Parameters
    ----------
    stage : what is being done, in a few words ("searching models")
    done : share of this stage that is done, in [0, 1], or None where it is not known
    detail : the latest news ("hist gradient boosting: AUC 0.846")
    figures : the same as plain data, for a chart
    """

    stage: str
    done: float | None = None
    detail: str = ""
    figures: Mapping[str, str | float] = field(default_factory=dict)


Progress = Callable[[Step], None]


def silent(step: Step) -> None:
    """Report to nobody."""


class Cancel:
    """A flag that another thread (or a signal handler) raises; work looks at it often."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Stop here if somebody asked.

        Raises
        ------
        Cancelled : somebody asked
        """
        if self.cancelled:
            raise Cancelled("stopped; what was there before is unchanged.")
