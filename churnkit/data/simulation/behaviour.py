"""How engagement moves from month to month, and how many tickets customers open."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.months import US_PER_DAY, Calendar
from churnkit.data.simulation.parameters import LEVELS, MOST_TICKETS, Simulation
from churnkit.data.simulation.population import Population

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

US_PER_30_DAYS = 30 * US_PER_DAY


class Behaviour:
    """The laws of a population's state."""

    def __init__(self, simulation: Simulation, calendar: Calendar, population: Population) -> None:
        self._told = simulation.behaviour
        self._drift = simulation.covariate_drift
        self._calendar = calendar
        self._people = population
        self._fails = np.array(self._told.payment_fails)[population.payment_method]
        self._use = np.array(self._told.use) * simulation.events_per_customer / US_PER_30_DAYS

    def level_down(self, month: int) -> Floats:
        """Probability that engagement falls on this month's billing day, shape (n,)."""
        drifted = self._people.billed_us(self._calendar, month) >= self._calendar.covariate_us
        times = np.where(drifted, self._drift.level_down_times, 1.0)
        return np.minimum(self._people.level_down * times, self._told.level_down_most)

    def next_level(self, level: Ints, draw: Floats, month: int) -> Ints:
        """Engagement behind this month's billing day; shapes (n,)."""
        falls = (draw < self.level_down(month)) & (level > 0)
        climbs = (draw >= 1 - self._told.level_up) & (level < LEVELS - 1)
        return np.asarray(level - falls + climbs)

    def spread(self, mass: Floats, down: Floats) -> Floats:
        """The distribution of engagement behind a billing day.

        Parameters
        ----------
        mass : shape (k, …, LEVELS), probabilities before it
        down : shape (k,), of ``level_down``
        """
        down = down.reshape(-1, *[1] * (mass.ndim - 1))
        up = self._told.level_up
        after = mass * (1 - down - up)
        after[..., :1] += mass[..., :1] * down
        after[..., -1:] += mass[..., -1:] * up
        after[..., :-1] += mass[..., 1:] * down
        after[..., 1:] += mass[..., :-1] * up
        return after

    def payment_fails(self) -> Floats:
        """Probability that a payment fails at first, shape (n,)."""
        return self._fails

    def uses(self, level: Ints, month: int) -> Floats:
        """Logins and uses per microsecond in the month of a billing day, shape (n,)."""
        season = self._told.use_season[self._calendar.of_year(month)]
        return self._use[level] * self._people.use * season

    def tickets(self, begin_us: Ints, end_us: Ints) -> tuple[Floats, Floats]:
        """Mean numbers of tickets in [begin, end): the usual ones, and those that a drift adds."""
        rate = self._people.tickets * self._told.tickets / US_PER_30_DAYS
        drifted = np.maximum(0, end_us - self.drifted_from(begin_us))
        more = self._drift.tickets_times - 1
        return rate * (end_us - begin_us), rate * more * drifted

    def drifted_from(self, begin_us: Ints) -> Ints:
        """The later of ``begin_us`` and the day of the covariate drift."""
        return np.maximum(begin_us, self._calendar.covariate_us)


def tickets_probability(already: Ints, mean: Floats) -> Floats:
    """Probabilities of 0, 1, 2 and 3 or more tickets.

    Parameters
    ----------
    already : shape (k,), opened so far
    mean : shape (k,), of the Poisson number of those to come

    Returns
    -------
    probability : shape (k, MOST_TICKETS + 1)
    """
    none = np.exp(-mean)
    coming = np.stack([none, none * mean, none * mean**2 / 2], axis=1)
    found = np.zeros((len(mean), MOST_TICKETS + 1))
    for total in range(MOST_TICKETS):
        for before in range(total + 1):
            found[:, total] += np.where(already == before, coming[:, total - before], 0.0)
    found[:, MOST_TICKETS] = np.maximum(0.0, 1 - found.sum(axis=1))
    return found
