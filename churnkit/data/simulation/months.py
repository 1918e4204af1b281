"""Months as numbers: 0 is the month of the simulation's first day; moments as microseconds."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.parameters import Simulation

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

US_PER_DAY = 86_400_000_000
NEVER = 2**62
"""After all that happens, and far enough from the end of the numbers to be subtracted."""


class Calendar:
    """The months of a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._base = np.datetime64(simulation.start, "M")
        self.start_us = as_us(simulation.starts_at)
        self.end_us = as_us(simulation.ends_at)
        self.last = int((np.datetime64(self.end_us, "us").astype("M8[M]") - self._base).astype(int))
        """The month of the end."""
        self.covariate_us = _drift(simulation, "covariate")
        self.concept_us = _drift(simulation, "concept")
        self._every = simulation.offers.every_months

    def first_us(self, month: int) -> int:
        """The first moment of a month."""
        return int((self._base + np.timedelta64(month, "M")).astype("M8[us]").astype(np.int64))

    def firsts_us(self, months: Ints) -> Ints:
        """The first moments of months."""
        return (self._base + months.astype("m8[M]")).astype("M8[us]").astype(np.int64)

    def of_year(self, month: int) -> int:
        """0 in January, 11 in December."""
        return int(self._base.astype(int) + month) % 12

    def rises(self, months: Ints) -> Ints:
        """How many Januaries have passed since the first day (below 0 before its year)."""
        year = int(self._base.astype(int)) // 12
        return (int(self._base.astype(int)) + months) // 12 - year

    def is_as_of(self, month: int) -> bool:
        """Whether the truth is told on the first of this month."""
        return self.start_us <= self.first_us(month) <= self.end_us

    def is_campaign(self, month: int) -> bool:
        """Whether offers are made on the first of this month."""
        return month % self._every == 0 and self.first_us(month) >= self.start_us

    def of_day(self, days: Ints) -> tuple[Ints, Ints]:
        """The month, and the day in it (1 to 31), of days after the first."""
        dates = np.datetime64(self.start_us, "us").astype("M8[D]") + days.astype("m8[D]")
        months = dates.astype("M8[M]")
        return (
            (months - self._base).astype(np.int64),
            (dates - months.astype("M8[D]")).astype(np.int64) + 1,
        )


def as_us(moment: datetime) -> int:
    """Microseconds since 1970-01-01 in UTC."""
    return int(np.datetime64(moment.replace(tzinfo=None), "us").astype(np.int64))


def _drift(simulation: Simulation, kind: str) -> int:
    moment = simulation.drift_at(kind)
    return NEVER if moment is None else as_us(moment)
