"""The business month by month: who pays, who is made an offer, who leaves, who joins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.behaviour import Behaviour
from churnkit.data.simulation.hazard import TermEnds
from churnkit.data.simulation.log import Events, Log, together
from churnkit.data.simulation.months import US_PER_DAY, Calendar
from churnkit.data.simulation.offers import offer_probability
from churnkit.data.simulation.parameters import LEVELS, PLANS, Arrival, Simulation
from churnkit.data.simulation.population import Population, draw_population
from churnkit.data.simulation.streams import Purpose, Streams
from churnkit.data.simulation.truth import Foreseen, Oracle

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BEFORE = -1
"""The month before the first, in which the terms began that run on the first day."""
_BOOKED_US = 6 * 3_600_000_000


@dataclass(frozen=True)
class Terms:
    """Terms that began; shape (k,) each."""

    customer: Ints
    start_us: Ints
    end_us: Ints
    known_us: Ints
    months: Ints
    renews: Bools
    """Whether an earlier term of the same customer ended when this one began."""


@dataclass(frozen=True)
class Versions:
    """Attributes from a moment on; shape (k,) each."""

    customer: Ints
    valid_from_us: Ints
    known_us: Ints
    plan: Ints
    price: Floats


@dataclass(frozen=True)
class Campaign:
    """Whom a campaign considered; shape (k,) each."""

    time_us: int
    customer: Ints
    offered: Bools
    probability: Floats
    """Of an offer: 0 for those who are held out."""


@dataclass(frozen=True)
class View:
    """The truth about customers at a moment; shape (k, …) each."""

    as_of_us: int
    customer: Ints
    level: Ints
    offer: Ints
    foreseen: Foreseen


@dataclass(frozen=True)
class Month:
    """What a month brought."""

    events: Events
    terms: Terms
    versions: Versions
    campaign: Campaign | None
    view: View | None


@dataclass(frozen=True)
class Outcomes:
    """How it ended; shape (n,) each; ``churned_us`` is -1 for those who stayed."""

    churned_us: Ints
    known_us: Ints


class Business:
    """Customers ``first`` to ``first + n - 1``, who know nothing of the others.

    Parameters
    ----------
    simulation : what the business is like
    first : a multiple of ``streams.BLOCK``
    n : how many are simulated at once
    """

    def __init__(self, simulation: Simulation, first: int, n: int) -> None:
        self._told = simulation
        self._calendar = calendar = Calendar(simulation)
        self._streams = streams = Streams(simulation.seed, first, n)
        self.people: Population = draw_population(simulation, calendar, streams, first)
        self._behaviour = Behaviour(simulation, calendar, self.people)
        self._ends = TermEnds(simulation, calendar, self.people, self._behaviour)
        self._offers = offer_probability(simulation, self.people)
        self._oracle = Oracle(calendar, self.people, self._behaviour, self._ends, self._offers)
        self._log = Log(simulation, calendar, self.people, self._behaviour, streams)
        self._left = np.zeros(n, dtype=bool)
        self._plan = self.people.plan.copy()
        self._level = self.people.first_level.copy()
        self._offer = np.zeros(n, dtype=np.int64)
        self._failed = np.zeros(n, dtype=np.int64)
        self._early = np.zeros(n, dtype=np.int64)
        self._late = np.zeros(n, dtype=np.int64)
        self._churned_us = np.full(n, -1, dtype=np.int64)
        self._churn_known_us = np.full(n, calendar.end_us, dtype=np.int64)

    def months(self) -> Iterator[Month]:
        """Live through all months; then ``outcomes`` are known."""
        for month in range(BEFORE, self._calendar.last + 1):
            yield self._live(month)

    def outcomes(self) -> Outcomes:
        """Who left when, and when that is known; of those who stayed, at the end."""
        return Outcomes(self._churned_us, self._churn_known_us)

    def _live(self, month: int) -> Month:
        calendar, people = self._calendar, self.people
        here = (people.joined < month) & ~self._left
        campaign = view = None
        if month > BEFORE and calendar.is_as_of(month):
            if calendar.is_campaign(month):
                campaign = self._campaign(month, here)
            view = self._view(month, here)
        billed = people.billed_us(calendar, month)
        watched = billed < calendar.end_us
        due = here & people.due(month) & watched & (month > BEFORE)
        renewing = due & ~self._leave(month, due & (billed >= calendar.start_us))
        stays = here & ~self._left & watched
        if month == BEFORE:
            joins = people.joined <= month
        else:
            joins = (people.joined == month) & watched
            self._level = np.where(
                stays,
                self._behaviour.next_level(
                    self._level, self._streams.uniform(Purpose.LEVEL, month), month
                ),
                self._level,
            )
        price_before = self._price(month - 1)
        plan_before = self._plan
        self._change_plans(month, renewing)
        price = self._price(month)
        changed = renewing & ((plan_before != self._plan) | (price != price_before))
        running = stays | joins
        events = self._happen(month, running, changed, price)
        return Month(
            events=events,
            terms=self._terms(month, joins, renewing),
            versions=self._versions(month, joins, changed, price),
            campaign=campaign,
            view=view,
        )

    def _campaign(self, month: int, here: Bools) -> Campaign:
        rows = np.flatnonzero(here)
        chance = self._offers[rows, self._level[rows]]
        drawn = self._streams.uniform(Purpose.OFFER, month)[rows] < chance
        offered = drawn & ~self.people.holdout[rows]
        self._offer[rows] = offered
        return Campaign(
            time_us=self._calendar.first_us(month),
            customer=rows,
            offered=offered,
            probability=np.where(self.people.holdout[rows], 0.0, chance),
        )

    def _view(self, month: int, here: Bools) -> View:
        rows = np.flatnonzero(here)
        foreseen = self._oracle.foresee(
            month,
            rows,
            level=self._level[rows],
            tickets=self._early[rows],
            failed=self._failed[rows],
        )
        return View(
            as_of_us=self._calendar.first_us(month),
            customer=rows,
            level=self._level[rows],
            offer=self._offer[rows],
            foreseen=foreseen,
        )

    def _leave(self, month: int, due: Bools) -> Bools:
        """Let those leave whose term ends and who do not renew."""
        rows = np.flatnonzero(due)
        leaves = np.zeros(self.people.n, dtype=bool)
        chance = self._ends.probability(
            month,
            rows,
            offer=self._offer[rows],
            level=self._level[rows],
            tickets=(self._early + self._late)[rows],
            failed=self._failed[rows],
        )
        leaves[rows] = self._streams.uniform(Purpose.CHURN, month)[rows] < chance
        self._left |= leaves
        who = np.flatnonzero(leaves)
        moment = self.people.billed_us(self._calendar, month)[who]
        delay = churn_delay_us(
            self._told.arrival, self._streams.uniform(Purpose.CHURN_KNOWN, month)[who]
        )
        self._churned_us[who] = moment
        self._churn_known_us[who] = moment + delay
        return leaves

    def _change_plans(self, month: int, renewing: Bools) -> None:
        prices = self._told.prices
        draw = self._streams.uniform(Purpose.PLAN_CHANGE, month)
        top = len(PLANS) - 1
        up = renewing & (self._level == LEVELS - 1) & (draw < prices.upgrade) & (self._plan < top)
        down = renewing & (self._level <= 1) & (draw < prices.downgrade) & (self._plan > 0)
        self._plan = self._plan + up - down

    def _price(self, month: int) -> Floats:
        """The monthly price of the term that runs behind this month's billing day."""
        prices, people = self._told.prices, self.people
        rises = self._calendar.rises(people.term_start(month))
        full = np.array(prices.plan)[self._plan] * people.price_factor
        return np.round(full * (1 + prices.yearly_rise) ** rises.astype(np.float64), 2)

    def _happen(self, month: int, running: Bools, changed: Bools, price: Floats) -> Events:
        fails = self._streams.uniform(Purpose.PAYMENT_FAILS, month)
        failed = running & (fails < self._behaviour.payment_fails())
        self._early, early = self._log.tickets(month, running, early=True)
        self._late, late = self._log.tickets(month, running, early=False)
        self._failed = failed.astype(np.int64)
        parts = [
            self._log.interactions(month, running, self._level),
            *early,
            *late,
            *self._log.payments(month, running, price, failed),
            self._log.price_changes(month, changed, price),
        ]
        return together([self._log.watched(part) for part in parts])

    def _terms(self, month: int, joins: Bools, renewing: Bools) -> Terms:
        if month > BEFORE:
            rows = np.flatnonzero(joins | renewing)
            return self._term(rows, np.full(len(rows), month, dtype=np.int64))
        # Terms that began before the first day, the earlier ones of each customer first.
        people = self.people
        rows = np.flatnonzero(joins)
        months = people.contract_months[rows]
        counts = (month - people.joined[rows]) // months + 1
        who = np.repeat(rows, counts)
        number = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._term(who, people.joined[who] + number * people.contract_months[who])

    def _term(self, rows: Ints, began: Ints) -> Terms:
        people, calendar = self.people, self._calendar
        offset, months = people.offset_us[rows], people.contract_months[rows]
        start = calendar.firsts_us(began) + offset
        return Terms(
            customer=rows,
            start_us=start,
            end_us=calendar.firsts_us(began + months) + offset,
            known_us=start + self._booking_us(rows),
            months=months,
            renews=began > people.joined[rows],
        )

    def _versions(self, month: int, joins: Bools, changed: Bools, price: Floats) -> Versions:
        rows = np.flatnonzero(joins | changed)
        people, calendar = self.people, self._calendar
        began = people.term_start(month)[rows]
        valid_from = calendar.firsts_us(began) + people.offset_us[rows]
        # A customer's first version holds from the day on which he joined.
        valid_from = np.where(joins[rows], people.signed_up_us[rows], valid_from)
        return Versions(
            customer=rows,
            valid_from_us=valid_from,
            known_us=valid_from + self._booking_us(rows),
            plan=self._plan[rows],
            price=price[rows],
        )

    def _booking_us(self, rows: Ints) -> Ints:
        """How long the back office takes: some minutes to hours, the same for one customer."""
        draw = self._streams.uniform(Purpose.TERM_KNOWN)[rows]
        return np.floor(draw * _BOOKED_US).astype(np.int64)


def churn_delay_us(told: Arrival, draw: Floats) -> Ints:
    """How long it takes until it is recorded that a customer left; at least an hour."""
    days = 1 / 24 - np.log1p(-draw) * told.churn_mean_days
    return np.asarray(np.minimum(days, told.churn_most_days) * US_PER_DAY, dtype=np.int64)
