"""The true probability of leaving within days of a moment, given the state at that moment.

A customer's state is a small Markov chain: engagement, whether an offer works, tickets and the
payment of the month. Leaving is possible on billing days on which a term ends. So the probability
is a sum over the paths to the horizon, carried forward exactly from billing day to billing day;
nothing is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.behaviour import Behaviour, tickets_probability
from churnkit.data.simulation.hazard import TermEnds
from churnkit.data.simulation.months import US_PER_DAY, Calendar
from churnkit.data.simulation.parameters import LEVELS
from churnkit.data.simulation.population import Population

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HORIZONS = (30, 60, 90)
"""In days."""
_AHEAD = 4
"""Billing days that 90 days can hold."""


@dataclass(frozen=True)
class Foreseen:
    """Probabilities of leaving, shape (k, 2, len(HORIZONS)); second axis: without, with offer."""

    churn: Floats


class Oracle:
    """Foresees a population."""

    def __init__(
        self,
        calendar: Calendar,
        population: Population,
        behaviour: Behaviour,
        ends: TermEnds,
        offers: Floats,
    ) -> None:
        self._calendar = calendar
        self._people = population
        self._behaviour = behaviour
        self._ends = ends
        self._offers = np.where(population.holdout[:, None], 0.0, offers)
        self._later: dict[int, Floats] = {}

    def foresee(
        self, month: int, rows: Ints, *, level: Ints, tickets: Ints, failed: Ints
    ) -> Foreseen:
        """Look ahead from the first moment of ``month``.

        Parameters
        ----------
        rows : shape (k,), positions of customers with a running term
        level, tickets, failed : shape (k,), their state: tickets since the last billing day, and
            whether its payment failed (0 or 1)
        """
        as_of = self._calendar.first_us(month)
        k = len(rows)
        mass = np.zeros((k, 2, 2, LEVELS))  # begun without or with an offer, has one now, level
        for begun in (0, 1):
            mass[np.arange(k), begun, begun, level] = 1.0
        stays = np.ones((k, 2, len(HORIZONS)))
        for ahead in range(month, month + _AHEAD):
            if ahead > month and self._calendar.is_campaign(ahead):
                whole = mass.sum(axis=2)
                gets = self._offers[rows][:, None, :]
                mass = np.stack([whole * (1 - gets), whole * gets], axis=2)
            if ahead == month:
                leaves = self._first(month, rows, tickets, failed)
            else:
                leaves = self._at(ahead)[rows]
            mass *= 1 - leaves[:, None]
            here = mass.sum(axis=(2, 3))
            billed = self._people.billed_us(self._calendar, ahead)[rows]
            for position, days in enumerate(HORIZONS):
                within = billed <= as_of + days * US_PER_DAY
                stays[:, :, position] = np.where(within[:, None], here, stays[:, :, position])
            if ahead < month + _AHEAD - 1:
                mass = self._behaviour.spread(mass, self._behaviour.level_down(ahead)[rows])
        self._later.pop(month, None)
        return Foreseen(churn=np.maximum(0.0, 1 - stays))

    def _first(self, month: int, rows: Ints, tickets: Ints, failed: Ints) -> Floats:
        """Of leaving on the coming billing day; shape (k, 2, LEVELS)."""
        leaves = np.zeros((len(rows), 2, LEVELS))
        due = np.flatnonzero(self._people.due(month)[rows])
        people = rows[due]
        begin = np.full(self._people.n, self._calendar.first_us(month), dtype=np.int64)
        usual, added = self._behaviour.tickets(begin, self._people.billed_us(self._calendar, month))
        coming = tickets_probability(tickets[due], (usual + added)[people])
        leaves[due] = self._ends.expected(month, people, coming, failed[due].astype(np.float64))
        return leaves

    def _at(self, month: int) -> Floats:
        """Of leaving on a later billing day; shape (n, 2, LEVELS); kept until it has passed."""
        if month not in self._later:
            leaves = np.zeros((self._people.n, 2, LEVELS))
            due = np.flatnonzero(self._people.due(month))
            leaves[due] = self._ends.expected_later(month, due)
            self._later[month] = leaves
        return self._later[month]
