"""Random numbers that depend on the seed and the customer's number alone.

Customers are numbered, and every ``BLOCK`` of them shares counter-based generators (Philox: Salmon
et al. 2011): the key is (seed, purpose), the counter begins at (month, block). Each purpose of each
month has a generator of its own, used for one draw in the order of the customers, of numbers whose
laws are the same for all. Whatever has a law of its own follows from them: counts by inversion of
the Poisson distribution, and what describes a customer's events of a month by a SplitMix64
generator (Steele, Lea & Flood 2014) that is seeded with the customer's number of such a draw.

So a customer's numbers do not change with how many customers there are, how many are simulated at
once, what is drawn for another purpose, or what happens to others; and what happens before a drift
is the same with and without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Drawn = TypeVar("Drawn", np.float64, np.uint64)

BLOCK = 1_024
_BEFORE = 1 << 20
"""Months are counted from the simulation's first; earlier ones have negative numbers."""


class Purpose(IntEnum):
    """What numbers are drawn for."""

    JOINED = 1
    BILLING_DAY = 2
    BILLING_TIME = 3
    CONTRACT = 4
    PLAN = 5
    REGION = 6
    AGE = 7
    PAYMENT_METHOD = 8
    SOURCE = 9
    DISCOUNT = 10
    FIRST_LEVEL = 11
    LEVEL_DOWN = 12
    FRAILTY = 13
    USE = 14
    TICKETS = 15
    HOLDOUT = 16
    AT_START = 17
    CHURN = 20
    LEVEL = 21
    PLAN_CHANGE = 22
    OFFER = 23
    PAYMENT_FAILS = 24
    CHURN_KNOWN = 25
    TERM_KNOWN = 26
    TICKETS_EARLY = 30
    TICKETS_LATE = 31
    TICKETS_EARLY_DRIFT = 32
    TICKETS_LATE_DRIFT = 33
    INTERACTIONS = 34
    PAYMENTS = 35
    PRICE_CHANGES = 36


_MARKS = 1_000
"""Added to a purpose: the seeds of what describes its events."""
_BY_SUM_UP_TO = 60.0
"""Means up to which Poisson probabilities are summed one by one."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Marks(NamedTuple):
    """Numbers in [0, 1) that describe events; shape (n_events,) each."""

    place: Floats
    """Where in its time."""
    arrival: Floats
    """How late it arrives."""
    kind: Floats
    value: Floats


class Streams:
    """The random numbers of the customers ``first`` to ``first + n - 1``.

    Parameters
    ----------
    seed : of the simulation
    first : a multiple of ``BLOCK``
    n : how many customers
    """

    def __init__(self, seed: int, first: int, n: int) -> None:
        self._seed = seed
        self._first_block = first // BLOCK
        self._n = n

    def uniform(self, purpose: Purpose, month: int = 0) -> Floats:
        """Shape (n,), in [0, 1)."""
        return self._each(purpose, month, lambda rng, part: rng.random(part.stop - part.start))

    def normal(self, purpose: Purpose, month: int = 0) -> Floats:
        """Shape (n,), mean 0, standard deviation 1."""
        return self._each(
            purpose, month, lambda rng, part: rng.standard_normal(part.stop - part.start)
        )

    def gamma(self, shape: float, purpose: Purpose) -> Floats:
        """Shape (n,), mean 1."""
        return self._each(
            purpose, 0, lambda rng, part: rng.gamma(shape, 1 / shape, part.stop - part.start)
        )

    def counts(self, means: Floats, purpose: Purpose, month: int) -> Ints:
        """Poisson counts. Shape (n,), as ``means``."""
        return poisson(means, self.uniform(purpose, month))

    def marks(self, counts: Ints, purpose: Purpose, month: int) -> Marks:
        """What describes each of ``counts.sum()`` events, in the order of the customers."""
        seeds = self._each(
            purpose + _MARKS,
            month,
            lambda rng, part: rng.integers(
                0, 2**64 - 1, part.stop - part.start, dtype=np.uint64, endpoint=True
            ),
        )
        number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        state = np.repeat(seeds, counts) + (4 * number).astype(np.uint64) * _GOLDEN
        found = []
        for _ in Marks._fields:
            state += _GOLDEN
            found.append(_mixed(state))
        return Marks(*found)

    def _each(
        self,
        purpose: int,
        month: int,
        draw: Callable[[np.random.Generator, slice], npt.NDArray[Drawn]],
    ) -> npt.NDArray[Drawn]:
        drawn = [draw(rng, part) for rng, part in self._generators(purpose, month)]
        return drawn[0] if len(drawn) == 1 else np.concatenate(drawn)

    def _generators(self, purpose: int, month: int) -> Iterator[tuple[np.random.Generator, slice]]:
        for position in range(0, self._n, BLOCK):
            block = self._first_block + position // BLOCK
            bits = np.random.Philox(
                key=np.array([self._seed, purpose], dtype=np.uint64),
                counter=np.array([0, 0, month + _BEFORE, block], dtype=np.uint64),
            )
            yield np.random.Generator(bits), slice(position, min(position + BLOCK, self._n))


def poisson(means: Floats, draw: Floats) -> Ints:
    """Poisson counts by inversion.

    Parameters
    ----------
    means : shape (n,), >= 0
    draw : shape (n,), in [0, 1)

    Returns
    -------
    counts : shape (n,), the least k with P(N <= k) > draw
    """
    counts = np.zeros(len(means), dtype=np.int64)
    many = means > _BY_SUM_UP_TO
    left = np.flatnonzero(~many & (draw >= np.exp(-means)))
    mean, target = means[left], draw[left]
    term = np.exp(-mean)
    below, k = term.copy(), 0
    while len(left):
        k += 1
        term *= mean / k
        below += term
        # Rounding may keep the sum under the draw: no term is left that could lift it.
        done = (below > target) | ((term < 1e-18) & (k > mean))
        counts[left[done]] = k
        left, mean, target = left[~done], mean[~done], target[~done]
        term, below = term[~done], below[~done]
    if many.any():
        from scipy import special  # takes a while to load, and only busy businesses need it

        upper = np.ceil(special.pdtrik(draw[many], means[many]))
        lower = np.maximum(upper - 1, 0)
        counts[many] = np.where(special.pdtr(lower, means[many]) > draw[many], lower, upper)
    return counts


def _mixed(state: npt.NDArray[np.uint64]) -> Floats:
    """SplitMix64's output as a number in [0, 1)."""
    bits = (state ^ (state >> np.uint64(30))) * _MIX[0]
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX[1]
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
