"""Random numbers that depend on the seed and the customer's number alone.

Customers are numbered, and every ``BLOCK`` of them shares counter-based generators (Philox: Salmon
et al. 2011): the key is (seed, purpose), the counter begins at (month, block). Each purpose of each
month has a generator of its own, which is used for one draw, in the order of the customers. So a
customer's numbers do not change with how many customers there are, how many are simulated at
once, what is drawn for another purpose, or what happened to customers behind him; and what happens
before a drift is the same with and without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

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


_TIME, _ARRIVAL, _KIND, _VALUE = 1_000, 2_000, 3_000, 4_000
"""Added to a purpose: the numbers that describe each of its events."""


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
        drawn = self._each(
            purpose, month, lambda rng, part: rng.poisson(means[part]).astype(np.float64)
        )
        return drawn.astype(np.int64)

    def times(self, counts: Ints, purpose: Purpose, month: int) -> Floats:
        """For each of ``counts.sum()`` events, in [0, 1): where in its time."""
        return self._every(counts, purpose + _TIME, month)

    def arrivals(self, counts: Ints, purpose: Purpose, month: int) -> Floats:
        """For each event, in [0, 1): how late it arrives."""
        return self._every(counts, purpose + _ARRIVAL, month)

    def kinds(self, counts: Ints, purpose: Purpose, month: int) -> Floats:
        """For each event, in [0, 1): which kind, and where."""
        return self._every(counts, purpose + _KIND, month)

    def values(self, counts: Ints, purpose: Purpose, month: int) -> Floats:
        """For each event, in [0, 1): its value."""
        return self._every(counts, purpose + _VALUE, month)

    def _every(self, counts: Ints, purpose: int, month: int) -> Floats:
        return self._each(purpose, month, lambda rng, part: rng.random(int(counts[part].sum())))

    def _each(
        self, purpose: int, month: int, draw: Callable[[np.random.Generator, slice], Floats]
    ) -> Floats:
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
