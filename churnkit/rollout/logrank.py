"""Time to churn: an anytime-valid log-rank test for customers who enter day by day.

Customers of one day of entry are a cohort: they are followed from the same day on, so whoever has
not left yet is in the risk set, and who leaves next is comparable. On each day on which d of a
cohort leave, of n₁ at risk in the arm and n₀ in the control, the number d₁ from the arm is
noncentral hypergeometric (Fisher) with the ratio θ of the odds of leaving that day:

    p(d₁; θ) = C(n₁, d₁) C(n₀, d - d₁) θ^d₁ / Σᵤ C(n₁, u) C(n₀, d - u) θ^u

For a single one this is n₁θ/(n₁θ + n₀) for the arm: Cox's partial likelihood. While θ₀ holds,
p(d₁; θ)/p(d₁; θ₀) has the mean 1, given all that was seen before that day. Cohorts leave
independently, so the product over all cohorts and days, day by day of the *calendar*, is a
nonnegative martingale that starts at 1; so is its mixture over alternatives θ fixed beforehand, and
by Ville's inequality it ever reaches 1/α with probability at most α. The ratios that are not
refuted are a confidence sequence.

Why cohorts: with staggered entry, time since entry and the calendar run differently. A risk set
over all cohorts by time since entry needs the later days of customers who have entered lately;
it is known only when all were followed to the end, and looked at earlier it is not a martingale.

θ is the ratio of the daily odds of leaving; for the small daily probabilities of churn it is the
ratio of the hazards. For θ₀ = 1 nothing is assumed but the draw of the arms; for the bounds, that
the ratio is the same on all days.

Sources: ter Schure, Pérez-Ortiz, Ly & Grünwald (2024, "The anytime-valid logrank test: error
control under continuous monitoring with unlimited horizon"); Cox (1972), for ties his discrete
model; Ville (1939).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from churnkit.errors import EvidenceInvalid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
"""The day of leaving of who has not left."""
_WIDEST = 5.0
"""Bounds are looked for within exp(±5)."""
_GRID = 0.1
_STEPS = 12
_CHUNK = 500_000


@dataclass(frozen=True, slots=True)
class RiskSets:
    """Days of the calendar on which some of a cohort left, in order; shape (n,) each."""

    day: Ints
    at_risk_arm: Ints
    at_risk_control: Ints
    left: Ints
    left_arm: Ints

    def __len__(self) -> int:
        return len(self.day)


def risk_sets(
    *, entered: Ints, left: Ints, until: Ints, in_arm: Bools, known_until: int
) -> RiskSets:
    """Who was at risk, and who left, on each day of each cohort.

    Parameters
    ----------
    entered : shape (n,), the day of each customer's entry; equal days are a cohort
    left : the day he left; ``NEVER``: he has not. On or before the day of entry counts as that day
    until : the last day that he is followed
    in_arm : else he is in the control
    known_until : the last day of which all leavings are known

    Raises
    ------
    EvidenceInvalid : columns of different lengths
    """
    if not len(entered) == len(left) == len(until) == len(in_arm):
        raise EvidenceInvalid("the columns of an experiment's customers have different lengths.")
    last = np.minimum(until, known_until)
    rows: list[tuple[int, int, int, int, int]] = []
    order = np.argsort(entered, kind="stable")
    _, starts = np.unique(entered[order], return_index=True)
    for start, end in pairwise([*starts.tolist(), len(order)]):
        mine = order[start:end]
        rows += _of_cohort(np.maximum(left[mine], entered[mine]), last[mine], in_arm[mine])
    rows.sort()
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 5)
    return RiskSets(*(table[:, place] for place in range(5)))


def _of_cohort(left: Ints, last: Ints, in_arm: Bools) -> list[tuple[int, int, int, int, int]]:
    """Days with leavings of customers who entered on the same day."""
    gone = left <= last
    # Whoever leaves, or is followed no longer, is at risk through that day.
    out = np.where(gone, left, last)
    days = np.unique(left[gone])
    rows = []
    sides = []
    for side in (in_arm, ~in_arm):
        ends = np.sort(out[side])
        at_risk = len(ends) - np.searchsorted(ends, days, side="left")
        events = np.sort(left[side & gone])
        n = np.searchsorted(events, days, side="right") - np.searchsorted(events, days, side="left")
        sides.append((at_risk, n))
    (arm, left_arm), (control, left_control) = sides
    for place, day in enumerate(days.tolist()):
        d = int(left_arm[place] + left_control[place])
        rows.append((day, int(arm[place]), int(control[place]), d, int(left_arm[place])))
    return rows


@cache
def alternatives(hazard_ratio: float) -> tuple[Floats, Floats]:
    """The alternatives of the mixture, fixed beforehand: log ratios and their weights.

    Both directions have half of the stake. It is log-normal around 1 with the planned ratio as one
    standard deviation, and a tenth is spread over all.

    Parameters
    ----------
    hazard_ratio : in (0, 1)
    """
    half = np.geomspace(0.01, 2.5, 24)
    density = np.exp(-0.5 * (half / abs(math.log(hazard_ratio))) ** 2) * np.gradient(half)
    near = 0.9 * density / density.sum() + 0.1 / len(half)
    logs = np.concatenate([-half[::-1], half])
    weights = np.concatenate([near[::-1], near]) / 2
    logs.setflags(write=False)
    weights.setflags(write=False)
    return logs, weights


class LogRank:
    """The log likelihood of the ratio of hazards, and what it refutes.

    Parameters
    ----------
    sets : of all cohorts, in any order
    hazard_ratio : the planned one, see ``alternatives``
    """

    def __init__(self, sets: RiskSets, *, hazard_ratio: float) -> None:
        self._sets = sets
        both = (sets.at_risk_arm > 0) & (sets.at_risk_control > 0)
        # Where one side has nobody left, who leaves says nothing about the arms.
        self._single = both & (sets.left == 1)
        self._ties = [_Ties(part) for part in _split(sets, both & (sets.left > 1))]
        logs, weights = alternatives(hazard_ratio)
        likelihoods = np.array([self.log_likelihood(log) for log in logs.tolist()])
        top = float(likelihoods.max(initial=-math.inf)) if len(sets) else 0.0
        self._mixed = (
            top + math.log(float((weights * np.exp(likelihoods - top)).sum())) if len(sets) else 0.0
        )

    @property
    def events(self) -> int:
        """All who left."""
        return int(self._sets.left.sum())

    @property
    def events_arm(self) -> int:
        """Of them in the arm."""
        return int(self._sets.left_arm.sum())

    def log_likelihood(self, log_ratio: float) -> float:
        """Log of the probability of who left on which side, given how many did and who could."""
        sets, one = self._sets, self._single
        n1 = sets.at_risk_arm[one] * math.exp(log_ratio)
        n0 = sets.at_risk_control[one]
        arm = sets.left_arm[one] == 1
        total = float((np.log(np.where(arm, n1, n0)) - np.log(n1 + n0)).sum())
        return total + math.fsum(ties.log_likelihood(log_ratio) for ties in self._ties)

    def log_evidence(self, ratio: float = 1.0) -> float:
        """Log of the e-value against this ratio of the hazards, arm to control.

        It ever reaches log(1/α) with probability at most α where the ratio is the truth.
        """
        return self._mixed - self.log_likelihood(math.log(ratio))

    def interval(self, alpha: float) -> tuple[float, float, float]:
        """The most likely ratio and the bounds, which hold at all times with 1 - alpha.

        Returns
        -------
        ratio, lower, upper : a bound beyond exp(±5) is 0 or infinite
        """
        grid = np.arange(-_WIDEST, _WIDEST + _GRID / 2, _GRID)
        found = np.array([self.log_likelihood(log) for log in grid.tolist()])
        best = int(np.argmax(found))
        limit = self._mixed + math.log(alpha)
        kept = np.flatnonzero(found > limit)
        peak = self._peak(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
        if not len(kept):  # narrower than the grid: around the peak
            kept = np.array([best])
        low = self._edge(grid[kept[0]], grid[kept[0] - 1], limit) if kept[0] > 0 else -math.inf
        last = len(grid) - 1
        high = (
            self._edge(grid[kept[-1]], grid[kept[-1] + 1], limit) if kept[-1] < last else math.inf
        )
        return math.exp(peak), math.exp(low), math.exp(high)

    def _peak(self, low: float, high: float) -> float:
        """Where the likelihood, which is concave in log θ, is largest."""
        for _ in range(2 * _STEPS):
            third = (high - low) / 3
            if self.log_likelihood(low + third) < self.log_likelihood(high - third):
                low += third
            else:
                high -= third
        return float((low + high) / 2)

    def _edge(self, inside: float, outside: float, limit: float) -> float:
        """Where it falls to the limit; the outer end."""
        for _ in range(_STEPS):
            middle = (inside + outside) / 2
            if self.log_likelihood(middle) > limit:
                inside = middle
            else:
                outside = middle
        return float(outside)


def log_evidence_by_day(
    sets: RiskSets, *, hazard_ratio: float, ratio: float = 1.0
) -> tuple[Ints, Floats]:
    """The log e-value against a ratio after each day of the calendar with leavings.

    Returns
    -------
    days, log_evidence : shape (n_days,)
    """
    logs, weights = alternatives(hazard_ratio)
    days, places = np.unique(sets.day, return_inverse=True)
    found = _factors(sets, (math.log(ratio), *logs.tolist()))
    factors = np.zeros((len(logs), len(days)))
    for row in range(len(logs)):
        np.add.at(factors[row], places, found[row + 1] - found[0])
    total = np.cumsum(factors, axis=1)
    top = total.max(axis=0, initial=-math.inf)
    return days, top + np.log(weights @ np.exp(total - top))


def _factors(sets: RiskSets, log_ratios: Sequence[float]) -> Floats:
    """Log p(d₁; θ) of each day of each cohort, for several ratios: shape (n_ratios, n)."""
    found = np.zeros((len(log_ratios), len(sets)))
    both = (sets.at_risk_arm > 0) & (sets.at_risk_control > 0)
    for mask in _masks(sets, both):
        part = RiskSets(*(getattr(sets, name)[mask] for name in RiskSets.__slots__))
        ties = _Ties(part)
        for row, log_ratio in enumerate(log_ratios):
            found[row, mask] = ties.factors(log_ratio)
    return found


class _Ties:
    """Days on which several left; the constants are computed once."""

    def __init__(self, sets: RiskSets) -> None:
        from scipy.special import gammaln  # here: importing scipy takes a quarter of a second

        def choose(n: Ints, k: Ints) -> Floats:
            fits = (k >= 0) & (k <= n)
            inside = np.where(fits, k, 0)
            logs = gammaln(n + 1) - gammaln(inside + 1) - gammaln(n - inside + 1)
            return np.where(fits, logs, -np.inf)

        self._u = np.arange(int(sets.left.max(initial=0)) + 1)
        u = self._u[None, :]
        n1, n0, d = (
            column[:, None] for column in (sets.at_risk_arm, sets.at_risk_control, sets.left)
        )
        self._ways = choose(n1, u) + choose(n0, d - u)
        self._left = sets.left_arm
        self._mine = self._ways[np.arange(len(sets)), self._left]

    def factors(self, log_ratio: float) -> Floats:
        """Log p(d₁; θ) of each day."""
        logs = self._ways + self._u[None, :] * log_ratio
        top = logs.max(axis=1, keepdims=True)
        norm = top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))
        return np.asarray(self._mine + self._left * log_ratio - norm)

    def log_likelihood(self, log_ratio: float) -> float:
        """Their sum."""
        return float(self.factors(log_ratio).sum())


def _masks(sets: RiskSets, chosen: Bools) -> list[Bools]:
    """Parts of about equal numbers of leavings, so that the tables of ways stay small."""
    masks = []
    largest = int(sets.left[chosen].max(initial=0))
    low = 0
    while low < largest:
        high = max(2 * low, 2)
        masks.append(chosen & (sets.left > low) & (sets.left <= high))
        low = high
    return [mask for mask in masks if mask.any()]


def _split(sets: RiskSets, chosen: Bools) -> list[RiskSets]:
    parts = []
    for mask in _masks(sets, chosen):
        places = np.flatnonzero(mask)
        size = max(1, _CHUNK // int(sets.left[places].max() + 1))
        for start in range(0, len(places), size):
            rows = places[start : start + size]
            parts.append(RiskSets(*(getattr(sets, name)[rows] for name in RiskSets.__slots__)))
    return parts
