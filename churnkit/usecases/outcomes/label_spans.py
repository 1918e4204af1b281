"""When outcomes of a project are due, by its definition of churn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnkit.features.windows import LabelWindows, label_windows
from churnkit.project import Project

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelSpans:
    """The project's churn definition, as far as it says when outcomes are due."""

    project: Project
    zone: str
    arrival_delay_days: float

    def windows(self, us: Ints) -> LabelWindows:
        """The windows of predictions that look from these moments (microseconds UTC)."""
        return label_windows(
            self.project.settings.churn,
            us,
            zone=self.zone,
            arrival_delay_days=self.arrival_delay_days,
        )

    @property
    def shortest_us(self) -> int:
        """What no prediction needs less than to mature, clock changes allowed for."""
        churn = self.project.settings.churn
        days = churn.lead_days + churn.horizon_days + churn.grace_days + self.arrival_delay_days
        return max(int((days - 2) * 86_400_000_000), 0)

    @property
    def known_last(self) -> bool:
        """Which answer is known only when the window ends: that he left, or that he stayed."""
        settings = self.project.settings
        return settings.events is not None and settings.churn.kind == "non_contractual"

    @property
    def days_to_mature(self) -> float:
        """lead + horizon + grace + arrival delay."""
        churn = self.project.settings.churn
        return churn.lead_days + churn.horizon_days + churn.grace_days + self.arrival_delay_days


def label_spans(project: Project) -> LabelSpans:
    """When outcomes of this project are due, in a snapshot project as in one of events."""
    settings = project.settings
    tables = (settings.events, settings.attributes, settings.subscriptions)
    delays = [table.arrival_delay_days for table in tables if table is not None]
    return LabelSpans(
        project=project,
        zone=settings.project.zone,
        arrival_delay_days=max([settings.outcomes.arrival_delay_days, *delays]),
    )
