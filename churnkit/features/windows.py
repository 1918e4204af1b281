"""When labels look and when they are decided, for one moment or many.

All bounds are calendar days of the project's zone: N days later is when the wall clock shows the
same time N days later, also over a clock change. A label is decided at
``as_of + lead + horizon + grace`` plus the arrival delay, which is a span of time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churnkit.data.zones import Ints, local_us, utc_us
from churnkit.domain.events import US_PER_DAY
from churnkit.domain.labels import LabelWindow
from churnkit.settings.churn import ChurnTable


@dataclass(frozen=True, slots=True)
class LabelWindows:
    """``LabelWindow`` of many moments; shape (n,), microseconds UTC."""

    opens_us: Ints
    closes_us: Ints
    decided_us: Ints


def label_window(
    churn: ChurnTable, as_of_us: int, *, zone: str, arrival_delay_days: float
) -> LabelWindow:
    """When the label of a moment looks, and when it is decided."""
    many = label_windows(
        churn, np.array([as_of_us]), zone=zone, arrival_delay_days=arrival_delay_days
    )
    return LabelWindow(
        as_of_us=as_of_us,
        opens_us=int(many.opens_us[0]),
        closes_us=int(many.closes_us[0]),
        decided_us=int(many.decided_us[0]),
    )


def label_windows(
    churn: ChurnTable, as_of_us: Ints, *, zone: str, arrival_delay_days: float
) -> LabelWindows:
    """``label_window`` of many moments."""
    wall = local_us(as_of_us, zone)
    closes = churn.lead_days + churn.horizon_days

    def later(days: int) -> Ints:
        return utc_us(wall + days * US_PER_DAY, zone)[0]

    return LabelWindows(
        opens_us=later(churn.lead_days),
        closes_us=later(closes),
        decided_us=later(closes + churn.grace_days) + round(arrival_delay_days * US_PER_DAY),
    )
