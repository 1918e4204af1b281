"""What a drift test says of a stream at one look."""

from __future__ import annotations

from datetime import datetime

from churnkit.domain.frozen import Frozen
from churnkit.monitoring.drift_state import Alarm
from churnkit.monitoring.effects import Distances


class Moved(Frozen):
    """A bin in words, and its share in the reference and in the stream."""

    bin: str
    before: float
    now: float


class FeatureDrift(Frozen):
    """What is known of one feature.

    ``log_e`` is the logarithm of the evidence now. ``p_value`` bounds the probability that this
    or any more evidence ever appears by chance, for this feature alone. ``since`` is the start
    that earned the most; ``recent`` are the distances from there on, ``overall`` of all rows.
    Only ``overall`` has bands that hold at all times: ``since`` is chosen by the data. ``moved``
    is the bin whose share changed most since then.
    """

    name: str
    log_e: float
    p_value: float
    alarm: Alarm | None
    since_row: int
    since: datetime | None
    overall: Distances
    recent_psi: float
    recent_ks: float | None
    recent_js: float
    moved: Moved


class DriftReport(Frozen):
    """One look at all features.

    ``log_e`` is the logarithm of the mean evidence of all features; ``alarm`` is set from the
    look on at which it passed 1 / α, and stays. A feature is named by the closed test of means
    (Vovk & Wang 2021), so that P(ever name a feature that did not drift) <= α even when others
    did. ``exact`` is False for a reference whose bins were decided by the rows it counts.
    """

    alpha: float
    exact: bool
    n_rows: int
    looks: int
    log_e: float
    alarm: Alarm | None
    features: tuple[FeatureDrift, ...]
