"""A confidence sequence for a quantile, for latency.

Requests that are answered at the same time wait for the same things, so the unit is a window (a
minute, say): each window gives one number, such as its 99th percentile. If a window's number does
not depend on the earlier ones, the bounds hold for a quantile of these numbers at all times
together. Where that is not so, ``PlainThreshold`` compares without claiming anything.

Of n independent numbers, the count at or below the q-quantile is binomial with a probability of at
least q, and the count below it with one of at most q. Each side is tested by the likelihood ratio
of a beta mixture over the other probabilities, which is a nonnegative supermartingale; the counts
that it does not refuse say between which order statistics the quantile lies (Howard & Ramdas 2022,
"Sequential estimation of quantiles with applications to A/B testing and best-arm
identification").
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid


class QuantileState(Frozen):
    """The numbers seen so far, in order of size."""

    q: float
    """Which quantile, in (0, 1)."""
    ordered: tuple[float, ...] = ()

    def add(self, values: Iterable[float]) -> QuantileState:
        """The state with more windows in it.

        Raises
        ------
        EvidenceInvalid : a number is NaN
        """
        new = [float(value) for value in values]
        if any(math.isnan(value) for value in new):
            raise EvidenceInvalid("a window's latency is not a number.")
        return self.model_copy(update={"ordered": tuple(sorted((*self.ordered, *new)))})

    def log_evidence(self, threshold: float) -> float:
        """Log of the evidence that the quantile is above ``threshold``."""
        within = bisect.bisect_right(self.ordered, threshold)
        return _log_evidence_fewer(within, len(self.ordered), self.q)

    def lower(self, alpha: float) -> float:
        """What the quantile is at least, at all times with probability 1 - alpha."""
        need, n = -math.log(alpha), len(self.ordered)
        # Too few at or below x means that the quantile is above x: the largest refused count.
        refused = bisect.bisect_left(
            range(n), True, key=lambda k: _log_evidence_fewer(k, n, self.q) < need
        )
        # Counts 0 … refused - 1 are refused, so fewer than ``refused`` cannot be the truth.
        return self.ordered[refused - 1] if refused else -math.inf

    def upper(self, alpha: float) -> float:
        """What the quantile is at most, at all times with probability 1 - alpha."""
        need, n = -math.log(alpha), len(self.ordered)
        allowed = bisect.bisect_left(
            range(n), True, key=lambda k: _log_evidence_fewer(k, n, 1 - self.q) < need
        )
        return self.ordered[n - allowed] if allowed else math.inf


class PlainThreshold(Frozen):
    """The share of windows above a threshold; a look at the data, without a guarantee."""

    n: int
    above: int
    largest_share: float

    @property
    def breached(self) -> bool:
        return self.n > 0 and self.above > self.largest_share * self.n


def _log_evidence_fewer(successes: int, n: int, probability: float) -> float:
    """Log evidence that a success is less probable than ``probability``.

    The mixture over probabilities θ below it, of density Beta(a, b) cut off there, of
    (θ/p)^k·((1-θ)/(1-p))^(n-k): where successes are at least as probable as p, each is a
    supermartingale. a and b put the prior's mean at p, with the weight of one observation of
    the rarer kind.
    """
    if n == 0:
        return 0.0
    from scipy.special import betainc, betaln  # here: importing scipy takes a quarter of a second

    failures = n - successes
    size = 1.0 / min(probability, 1 - probability)
    a, b = probability * size, (1 - probability) * size
    inside = float(betainc(a + successes, b + failures, probability))
    if inside <= 0:
        return -math.inf
    return float(
        betaln(a + successes, b + failures)
        - betaln(a, b)
        + math.log(inside)
        - math.log(float(betainc(a, b, probability)))
        - successes * math.log(probability)
        - failures * math.log1p(-probability)
    )
