"""How many more labels a verdict takes, and when they will have come. No guarantee is claimed."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from churnkit.domain.frozen import Frozen
from churnkit.rollout.bets import Bets, fractions
from churnkit.rollout.mixture import MeanSequence, Side

Floats = npt.NDArray[np.float64]

MOST_LABELS = 10_000_000
"""More than this counts as never."""

_PRIOR_PAIRS = 200
"""Weight of what the plan expects, in pairs."""

_FEWEST_PAIRS = 50
"""With fewer pairs and nothing expected there is no forecast."""


def labels_needed(
    sequence: MeanSequence,
    *,
    against: float,
    side: Side,
    alpha: float,
    bets: Bets,
    expected: tuple[float, float] | None = None,
) -> int | None:
    """How many more pairs until the running mean is proven above (below) ``against``.

    The capital of each bet is continued at the rate of the pairs seen so far, drawn towards what
    is expected while those are few.

    Parameters
    ----------
    expected : mean and sd of a pair's gain that the plan hopes for

    Returns
    -------
    labels : 0 when it is proven already; None when it never would be, or too little is known
    """
    need = -math.log(alpha)
    if sequence.log_evidence(against, side=side, bets=bets) >= need:
        return 0
    seen = sequence.n
    if expected is None and seen < _FEWEST_PAIRS:
        return None
    sign = 1.0 if side == "above" else -1.0
    state = sequence.state()
    sums = np.array(state.above if side == "above" else state.below)
    prior = np.zeros_like(sums)
    weight = 0.0
    if expected is not None:
        weight = float(_PRIOR_PAIRS)
        prior = weight * _growth(sign * expected[0], expected[1], sequence.limit)
    growth = (sums + prior) / (seen + weight)
    m = min(max(sign * against / sequence.limit, -1.0), 1.0)
    net = growth - np.log1p(fractions() * m)
    if net.max() <= 0:
        return None
    now = sums - seen * np.log1p(fractions() * m)

    def capital(more: int) -> float:
        return float(np.logaddexp.reduce(np.log(bets.weights()) + now + more * net))

    high = 1
    while capital(high) < need:
        high *= 2
        if high > MOST_LABELS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if capital(middle) >= need else (middle, high)
    return high


def _growth(mean: float, sd: float, limit: float) -> Floats:
    """Expected log-capital per pair of each bet: a gain of mean ± sd with equal chances."""
    values = np.clip(np.array([mean - sd, mean + sd]) / limit, -1, 1)
    return np.asarray(np.log1p(np.multiply.outer(values, fractions())).mean(axis=0))


class Supply(Frozen):
    """How many matured pairs there will be by when; the last point is all that can be reached."""

    points: tuple[tuple[datetime, int], ...]

    @property
    def reachable(self) -> int:
        return self.points[-1][1] if self.points else 0

    def date_of(self, n: int) -> datetime | None:
        """When the n-th pair will have matured; None if that is out of reach."""
        before: tuple[datetime, int] | None = None
        for at, count in self.points:
            if count >= n:
                if before is None or count == before[1]:
                    return at
                part = (n - before[1]) / (count - before[1])
                return before[0] + part * (at - before[0]) if part > 0 else before[0]
            before = (at, count)
        return None


def expected_supply(
    *,
    start: datetime,
    customers: int,
    predictions_per_day: float,
    days_to_mature: float,
    counted_share: float = 1.0,
    days: int = 730,
) -> Supply:
    """The pairs that a base of customers yields, as each counts with his first prediction only.

    Predictions fall on customers at random, so after t days customers·(1 - exp(-rate·t/customers))
    of them have had one.

    Parameters
    ----------
    customers : in the base
    predictions_per_day : of all customers together
    days_to_mature : lead + horizon + grace + arrival delay
    counted_share : share whose outcomes are evidence, such as the hold-out's
    days : how far to look ahead
    """
    evidence = customers * counted_share
    points = []
    for day in range(days + 1):
        seen = -math.expm1(-predictions_per_day * day / customers) if customers else 0.0
        points.append((start + timedelta(days=day + days_to_mature), int(evidence * seen)))
    return Supply(points=tuple(points))
