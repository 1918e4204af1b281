"""The known hazard: with what probability a customer leaves when the term ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.behaviour import Behaviour, tickets_probability
from churnkit.data.simulation.months import Calendar
from churnkit.data.simulation.parameters import LEVELS, MOST_TICKETS, Simulation
from churnkit.data.simulation.population import Population

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class TermEnds:
    """The hazard of a population at the ends of its terms.

    The odds of leaving are a product: what the customer, the month, the price and the engagement
    give (``odds``), times what tickets and a failed payment give (``stress``).
    """

    def __init__(
        self,
        simulation: Simulation,
        calendar: Calendar,
        population: Population,
        behaviour: Behaviour,
    ) -> None:
        self._calendar = calendar
        self._people = population
        self._behaviour = behaviour
        # Axis 0: before and after a concept drift.
        both = (simulation.hazard, simulation.concept_drift.hazard)
        self._contract = np.array([told.contract for told in both])
        self._age = np.array([told.age_band for told in both])
        self._level = np.array([told.level for told in both])
        self._season = np.array([told.season for told in both])
        self._price, self._rise, self._tenure, failed = (
            np.array([getattr(told, name) for told in both])
            for name in ("price", "rise", "tenure", "payment_failed")
        )
        tickets = np.array([told.tickets for told in both])
        self._stress = np.exp(
            tickets[:, :, None] + failed[:, None, None] * np.array([0.0, 1.0])[None, None, :]
        )
        self._log_rise = float(np.log1p(simulation.prices.yearly_rise))
        offers = simulation.offers
        self._effect = (
            offers.effect
            + np.array(offers.effect_age_band)[population.age_band][:, None]
            + np.array(offers.effect_level)[None, :]
        )

    def odds(self, month: int, rows: Ints) -> Floats:
        """Odds of leaving without tickets and failed payments.

        Parameters
        ----------
        month : in which the term ends
        rows : shape (k,), positions of customers whose term ends in it

        Returns
        -------
        odds : shape (k, 2, LEVELS); the second axis: without and with an offer
        """
        people, then = self._people, self._regime(month, rows)
        months = np.full(len(rows), month, dtype=np.int64)
        rises = self._calendar.rises(months)
        before = self._calendar.rises(months - people.contract_months[rows])
        price = np.log(people.price_factor[rows]) + rises * self._log_rise
        logit = (
            self._contract[then, people.contract[rows]]
            + self._price[then] * price
            + self._rise[then] * (rises - before) * self._log_rise
            + self._tenure[then] * np.log1p(month - people.joined[rows])
            + self._age[then, people.age_band[rows]]
            + self._season[then, self._calendar.of_year(month)]
            + people.frailty[rows]
        )
        found = np.empty((len(rows), 2, LEVELS))
        found[:, 0] = logit[:, None] + self._level[then]
        found[:, 1] = found[:, 0] - self._effect[rows]
        return np.exp(found)

    def probability(
        self, month: int, rows: Ints, *, offer: Ints, level: Ints, tickets: Ints, failed: Ints
    ) -> Floats:
        """Of leaving, for customers whose state is known; all shapes (k,)."""
        odds = self.odds(month, rows)[np.arange(len(rows)), offer, level]
        then = self._regime(month, rows)
        odds *= self._stress[then, np.minimum(tickets, MOST_TICKETS), failed]
        return np.asarray(odds / (1 + odds))

    def expected(self, month: int, rows: Ints, tickets: Floats, fails: Floats) -> Floats:
        """Of leaving, when tickets and payments are still to come.

        Parameters
        ----------
        tickets : shape (k, MOST_TICKETS + 1), their probabilities
        fails : shape (k,), probability of a failed payment

        Returns
        -------
        probability : shape (k, 2, LEVELS), without and with an offer, by engagement
        """
        odds, then = self.odds(month, rows), self._regime(month, rows)
        found = np.zeros_like(odds)
        for count in range(MOST_TICKETS + 1):
            for failed in (0, 1):
                weight = tickets[:, count] * (fails if failed else 1 - fails)
                if not weight.any():
                    continue
                with_stress = odds * self._stress[then, count, failed][:, None, None]
                with_stress /= 1 + with_stress
                with_stress *= weight[:, None, None]
                found += with_stress
        return found

    def expected_later(self, month: int, rows: Ints) -> Floats:
        """``expected`` for a term whose last month has not begun yet."""
        people = self._people
        usual, added = self._behaviour.tickets(
            people.billed_us(self._calendar, month - 1), people.billed_us(self._calendar, month)
        )
        means = (usual + added)[rows]
        none = np.zeros(len(rows), dtype=np.int64)
        fails = self._behaviour.payment_fails()[rows]
        return self.expected(month, rows, tickets_probability(none, means), fails)

    def _regime(self, month: int, rows: Ints) -> Ints:
        billed = self._people.billed_us(self._calendar, month)[rows]
        return (billed >= self._calendar.concept_us).astype(np.int64)
