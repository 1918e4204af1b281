"""Who the customers are: what is drawn once for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.months import US_PER_DAY, Calendar
from churnkit.data.simulation.parameters import CONTRACTS, Mix, Simulation
from churnkit.data.simulation.streams import Purpose, Streams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LAST_BILLING_DAY = 28


@dataclass(frozen=True)
class Population:
    """Customers, one position each; all arrays have shape (n,).

    Codes are positions in the lists of ``parameters``; ``joined`` is a month; ``offset_us`` is the
    billing moment within every month; ``price_factor`` is a customer's price by the plan's;
    ``signed_up_us`` is the first billing moment; ``use``, ``tickets`` are relative to the average.
    """

    first: int
    joined: Ints
    offset_us: Ints
    signed_up_us: Ints
    contract: Ints
    plan: Ints
    region: Ints
    age_band: Ints
    payment_method: Ints
    source: Ints
    price_factor: Floats
    first_level: Ints
    level_down: Floats
    frailty: Floats
    use: Floats
    tickets: Floats
    holdout: Bools

    @property
    def n(self) -> int:
        """How many."""
        return len(self.joined)

    @property
    def contract_months(self) -> Ints:
        """1, 12 or 24."""
        return np.array(CONTRACTS, dtype=np.int64)[self.contract]

    def due(self, month: int) -> Bools:
        """Whose term ends on the billing day of this month, if they are still here."""
        passed = month - self.joined
        return np.asarray((passed > 0) & (passed % self.contract_months == 0))

    def term_start(self, month: int) -> Ints:
        """The month in which the term began that runs behind the billing day of ``month``."""
        passed = month - self.joined
        return np.asarray(month - passed % self.contract_months)

    def billed_us(self, calendar: Calendar, month: int) -> Ints:
        """The billing moment in this month."""
        return calendar.first_us(month) + self.offset_us


def draw_population(
    simulation: Simulation, calendar: Calendar, streams: Streams, first: int
) -> Population:
    """Draw the customers from number ``first`` on.

    Who joins after a covariate drift is drawn from the other mix, by the same numbers.
    """
    before = streams.uniform(Purpose.AT_START) < simulation.at_start
    when = streams.uniform(Purpose.JOINED)
    month, day = calendar.of_day(np.floor(when * simulation.days).astype(np.int64))
    earlier = -1 - np.floor(when * simulation.joined_most_months_before).astype(np.int64)
    some_day = 1 + np.floor(streams.uniform(Purpose.BILLING_DAY) * LAST_BILLING_DAY)
    joined = np.where(before, earlier, month)
    billing_day = np.where(before, some_day.astype(np.int64), np.minimum(day, LAST_BILLING_DAY))
    seconds = 1 + np.floor(streams.uniform(Purpose.BILLING_TIME) * 86_399).astype(np.int64)
    offset_us = (billing_day - 1) * US_PER_DAY + seconds * 1_000_000
    signed_up_us = calendar.firsts_us(joined) + offset_us
    drifted = signed_up_us >= calendar.covariate_us
    mixes = (simulation.mix, simulation.covariate_drift.mix)

    def drawn(purpose: Purpose, name: str) -> Ints:
        return _choose(streams.uniform(purpose), mixes, name, drifted)

    region = drawn(Purpose.REGION, "region")
    behaviour, prices = simulation.behaviour, simulation.prices
    level_draw = streams.uniform(Purpose.FIRST_LEVEL)
    discounted = streams.uniform(Purpose.DISCOUNT) < prices.discount_share
    spread = np.exp(behaviour.level_down_sd * streams.normal(Purpose.LEVEL_DOWN))
    return Population(
        first=first,
        joined=joined,
        offset_us=offset_us,
        signed_up_us=signed_up_us,
        contract=drawn(Purpose.CONTRACT, "contract"),
        plan=drawn(Purpose.PLAN, "plan"),
        region=region,
        age_band=drawn(Purpose.AGE, "age_band"),
        payment_method=drawn(Purpose.PAYMENT_METHOD, "payment_method"),
        source=drawn(Purpose.SOURCE, "source"),
        price_factor=np.array(prices.region)[region]
        * np.where(discounted, 1 - prices.discount, 1.0),
        first_level=np.where(
            before,
            pick(level_draw, behaviour.level_at_start),
            _choose(level_draw, mixes, "first_level", drifted),
        ),
        level_down=behaviour.level_down * spread,
        frailty=simulation.hazard.frailty_sd * streams.normal(Purpose.FRAILTY),
        use=streams.gamma(behaviour.use_shape, Purpose.USE),
        tickets=streams.gamma(behaviour.tickets_shape, Purpose.TICKETS),
        holdout=streams.uniform(Purpose.HOLDOUT) < simulation.offers.holdout_share,
    )


def pick(draw: Floats, shares: tuple[float, ...]) -> Ints:
    """The position in ``shares`` that each number of [0, 1) falls into."""
    return np.searchsorted(np.cumsum(shares[:-1]), draw, side="right").astype(np.int64)


def _choose(draw: Floats, mixes: tuple[Mix, Mix], name: str, drifted: Bools) -> Ints:
    usual, other = (pick(draw, getattr(mix, name)) for mix in mixes)
    return np.where(drifted, other, usual)
