"""Sample-ratio mismatch: do the arms get the share of customers that they should?

A sequential multinomial test (Lindon & Malek 2022, "Anytime-valid inference for multinomial count
data"): the Bayes factor of a Dirichlet prior around the planned shares ρ against the shares
themselves is a martingale while customers fall to the arms with probabilities ρ, so it ever
reaches 1/α with probability at most α.

The unit is a customer, once per period of constant weights. A customer who was counted under
other weights is not a fresh draw: given that he was not the challenger's at 1 %, he is at 5 % with
probability (0.05 - 0.01) / 0.99, and he who was stays. So customers are counted in groups of equal
*conditional* shares; the groups' Bayes factors multiply. Customers with an override do not count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid

_CONCENTRATION = 200.0
"""Weight of the prior, in customers: looks for mismatches of a few points soonest."""


class RatioGroup(Frozen):
    """Customers who fell to the arms with the same probabilities."""

    shares: tuple[float, ...]
    """The probability of each arm; adds up to 1."""
    counts: tuple[int, ...]
    """How many customers each arm got."""


class RatioEvidence(Frozen):
    """All groups that were counted so far."""

    groups: tuple[RatioGroup, ...] = ()

    def log_evidence(self) -> float:
        """Log of the evidence for a mismatch; infinite when an arm of share 0 got somebody."""
        return math.fsum(_log_bayes_factor(group) for group in self.groups)

    def mismatch(self, alpha: float) -> bool:
        """Whether the shares are refuted; wrong at any time with probability at most alpha."""
        return self.log_evidence() >= -math.log(alpha)

    def count(self, shares: Sequence[float], counts: Sequence[int]) -> RatioEvidence:
        """The evidence with more customers in it.

        Parameters
        ----------
        shares : the probability of each arm, given where these customers were counted before
            (``KnownBucket``)
        counts : how many of them each arm got

        Raises
        ------
        EvidenceInvalid : shares and counts do not belong together
        """
        key = tuple(float(share) for share in shares)
        if len(key) != len(counts) or min(counts, default=0) < 0:
            raise EvidenceInvalid("each arm needs one share and one count, which is not below 0.")
        if not all(0 <= share <= 1 for share in key) or abs(math.fsum(key) - 1) > 1e-9:
            raise EvidenceInvalid("the shares of the arms must be in [0, 1] and add up to 1.")
        groups = {group.shares: group.counts for group in self.groups}
        before = groups.get(key, (0,) * len(key))
        groups[key] = tuple(a + b for a, b in zip(before, counts, strict=True))
        return RatioEvidence(
            groups=tuple(RatioGroup(shares=s, counts=c) for s, c in groups.items())
        )


class KnownBucket(NamedTuple):
    """What a customer's earlier arms say about his bucket: it is in [low, high)."""

    low: float = 0.0
    high: float = 1.0

    def challenger_probability(self, share: float) -> float:
        """The probability that he is the challenger's at this share."""
        return min(max((share - self.low) / (self.high - self.low), 0.0), 1.0)

    def after(self, share: float, *, challenger: bool) -> KnownBucket:
        """What is known when he was the challenger's, or was not, at this share."""
        low = self.low if challenger else max(self.low, min(share, self.high))
        high = min(self.high, max(share, self.low)) if challenger else self.high
        # An arm that contradicts the earlier ones is a mismatch already; nothing more is learnt.
        return KnownBucket(low, high) if low < high else self


def count_rollout(
    evidence: RatioEvidence,
    *,
    share: float,
    arms: Mapping[str, bool],
    before: Mapping[str, KnownBucket],
) -> tuple[RatioEvidence, dict[str, KnownBucket]]:
    """Count the customers of one period of constant weights.

    Parameters
    ----------
    share : the challenger's share in this period
    arms : customer → whether the challenger answered him; each customer who came in this period
        and has no override, once
    before : what earlier periods say; customers who were never counted are left out

    Returns
    -------
    evidence : with these customers in it
    known : what is known of these customers from now on
    """
    groups: dict[float, list[int]] = {}
    known: dict[str, KnownBucket] = {}
    unknown = KnownBucket()
    for customer_id, challenger in arms.items():
        bucket = before.get(customer_id, unknown)
        probability = bucket.challenger_probability(share)
        groups.setdefault(probability, [0, 0])[0 if challenger else 1] += 1
        known[customer_id] = bucket.after(share, challenger=challenger)
    for probability in sorted(groups):
        evidence = evidence.count((probability, 1 - probability), groups[probability])
    return evidence, known


def _log_bayes_factor(group: RatioGroup) -> float:
    possible = [
        (share, count) for share, count in zip(group.shares, group.counts, strict=True) if share > 0
    ]
    n = sum(count for _, count in possible)
    if sum(group.counts) > n:
        return math.inf
    # A concentration of at least 1 per arm keeps the prior from sitting on the edges.
    prior = max(_CONCENTRATION, 1 / min(share for share, _ in possible))
    total = math.lgamma(prior) - math.lgamma(prior + n)
    for share, count in possible:
        a = prior * share
        total += math.lgamma(a + count) - math.lgamma(a) - count * math.log(share)
    return total
