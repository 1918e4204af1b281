"""The events that customers leave behind, a month at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.behaviour import Behaviour
from churnkit.data.simulation.months import US_PER_DAY, Calendar
from churnkit.data.simulation.parameters import Arrival, Simulation
from churnkit.data.simulation.population import Population, pick
from churnkit.data.simulation.streams import Purpose, Streams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EVENT_TYPES = ("login", "usage", "ticket", "payment", "payment_failed", "price_change")
LOGIN, USAGE, TICKET, PAYMENT, PAYMENT_FAILED, PRICE_CHANGE = range(6)
NOWHERE = -1
"""The channel of what does not happen on one."""
_PROMPT_US = 120_000_000


@dataclass(frozen=True)
class Events:
    """Events, shape (n,) each; ``customer`` is a position, ``value`` is NaN where there is none."""

    customer: Ints
    time_us: Ints
    known_us: Ints
    kind: Ints
    value: Floats
    channel: Ints

    def where(self, chosen: Bools | Ints) -> Events:
        """Some of them, or all in another order."""
        return Events(
            self.customer[chosen],
            self.time_us[chosen],
            self.known_us[chosen],
            self.kind[chosen],
            self.value[chosen],
            self.channel[chosen],
        )


def together(parts: list[Events]) -> Events:
    """All events, by time and then by customer."""
    whole = Events(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("customer", "time_us", "known_us", "kind", "value", "channel")
        )
    )
    return whole.where(np.lexsort((whole.kind, whole.customer, whole.time_us)))


class Log:
    """Writes down what a population does."""

    def __init__(
        self,
        simulation: Simulation,
        calendar: Calendar,
        population: Population,
        behaviour: Behaviour,
        streams: Streams,
    ) -> None:
        self._told = simulation.behaviour
        self._arrival = simulation.arrival
        self._calendar = calendar
        self._people = population
        self._behaviour = behaviour
        self._streams = streams
        self._channels = (simulation.mix.channel, simulation.covariate_drift.mix.channel)

    def interactions(self, month: int, here: Bools, level: Ints) -> Events:
        """Logins and uses between the billing days of ``month`` and of the next one."""
        begin, end = self._period(month)
        begin = np.maximum(begin, self._calendar.start_us)
        length = np.where(here, np.minimum(end, self._calendar.end_us) - begin, 0).clip(0)
        purpose = Purpose.INTERACTIONS
        counts = self._streams.counts(self._behaviour.uses(level, month) * length, purpose, month)
        who = np.repeat(np.arange(self._people.n), counts)
        marks = self._streams.marks(counts, purpose, month)
        time = begin[who] + np.floor(marks.place * length[who]).astype(np.int64)
        share = self._told.login_share
        login = marks.kind < share
        # What is left of the number that chose the kind chooses the channel.
        rest = np.where(
            login, marks.kind / max(share, 1e-9), (marks.kind - share) / (1 - share + 1e-9)
        )
        usual, drifted = (pick(rest, shares) for shares in self._channels)
        minutes = _exponential(marks.value, self._told.use_minutes)
        return Events(
            customer=who,
            time_us=time,
            known_us=self._known(time, marks.arrival),
            kind=np.where(login, LOGIN, USAGE),
            value=np.where(login, np.nan, minutes),
            channel=np.where(time >= self._calendar.covariate_us, drifted, usual),
        )

    def tickets(self, month: int, here: Bools, *, early: bool) -> tuple[Ints, list[Events]]:
        """Tickets between the billing days of ``month`` and of the next one.

        Parameters
        ----------
        early : those up to the first of the next month, or those behind it

        Returns
        -------
        counts : shape (n,)
        events : the same tickets
        """
        begin, end = self._period(month)
        first = self._calendar.first_us(month + 1)
        begin, end = (
            (begin, np.full_like(end, first)) if early else (np.full_like(begin, first), end)
        )
        usual, added = self._behaviour.tickets(begin, end)
        purposes = (
            (Purpose.TICKETS_EARLY, Purpose.TICKETS_EARLY_DRIFT)
            if early
            else (Purpose.TICKETS_LATE, Purpose.TICKETS_LATE_DRIFT)
        )
        drifted = self._behaviour.drifted_from(begin)
        total = np.zeros(self._people.n, dtype=np.int64)
        events = []
        for purpose, means, since in ((purposes[0], usual, begin), (purposes[1], added, drifted)):
            if not means.any():
                continue
            counts = self._streams.counts(np.where(here, means, 0.0), purpose, month)
            total += counts
            who = np.repeat(np.arange(self._people.n), counts)
            marks = self._streams.marks(counts, purpose, month)
            time = since[who] + np.floor(marks.place * (end - since)[who]).astype(np.int64)
            channel = pick(marks.kind, self._told.ticket_channel)
            events.append(
                Events(
                    customer=who,
                    time_us=time,
                    known_us=self._known(time, marks.arrival),
                    kind=np.full(len(who), TICKET),
                    value=_exponential(marks.value, self._told.ticket_minutes),
                    channel=channel,
                )
            )
        return total, events

    def payments(self, month: int, here: Bools, price: Floats, failed: Bools) -> list[Events]:
        """The payment on this month's billing day; one that fails is made up for days later."""
        who = np.flatnonzero(here)
        marks = self._streams.marks(here.astype(np.int64), Purpose.PAYMENTS, month)
        billed = self._people.billed_us(self._calendar, month)[who]
        days = 1 + 9 * marks.place
        fails = failed[who]
        paid = billed + np.where(fails, np.floor(days * US_PER_DAY), 0).astype(np.int64)
        nowhere = np.full(len(who), NOWHERE)
        made = Events(
            who,
            paid,
            self._known(paid, marks.arrival),
            np.full(len(who), PAYMENT),
            price[who],
            nowhere,
        )
        missed = Events(
            who,
            billed,
            self._known(billed, marks.arrival),
            np.full(len(who), PAYMENT_FAILED),
            price[who],
            nowhere,
        )
        return [made, missed.where(fails)]

    def price_changes(self, month: int, changed: Bools, price: Floats) -> Events:
        """The new price, on the billing day from which it holds."""
        who = np.flatnonzero(changed)
        billed = self._people.billed_us(self._calendar, month)[who]
        marks = self._streams.marks(changed.astype(np.int64), Purpose.PRICE_CHANGES, month)
        return Events(
            who,
            billed,
            self._known(billed, marks.arrival),
            np.full(len(who), PRICE_CHANGE),
            price[who],
            np.full(len(who), NOWHERE),
        )

    def watched(self, events: Events) -> Events:
        """Those from the first day until the end."""
        inside = (events.time_us >= self._calendar.start_us) & (
            events.time_us < self._calendar.end_us
        )
        return events if inside.all() else events.where(inside)

    def _period(self, month: int) -> tuple[Ints, Ints]:
        people, calendar = self._people, self._calendar
        return people.billed_us(calendar, month), people.billed_us(calendar, month + 1)

    def _known(self, time_us: Ints, draw: Floats) -> Ints:
        return time_us + event_delay_us(self._arrival, draw)


def event_delay_us(told: Arrival, draw: Floats) -> Ints:
    """How much later than it happened an event is known; from numbers in [0, 1)."""
    late = draw < told.late_share
    prompt = (draw - told.late_share) / (1 - told.late_share + 1e-12) * _PROMPT_US
    days = -np.log1p(-np.where(late, draw / max(told.late_share, 1e-12), 0.0))
    slow = np.minimum(days * told.late_mean_days, told.late_most_days) * US_PER_DAY
    return np.where(late, slow, prompt).astype(np.int64)


def _exponential(draw: Floats, mean: float) -> Floats:
    found: Floats = np.maximum(-np.log1p(-draw) * mean, 0.01)
    return found.round(2)
