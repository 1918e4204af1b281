"""What a simulated business is like: every number that decides who leaves, as plain data.

All of it is written to ``truth.json``. Logits add up: a customer whose term ends leaves with
probability ``1 / (1 + exp(-logit))``.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from pydantic import Field, model_validator

from churnkit.domain.frozen import Frozen
from churnkit.errors import SettingsInvalid

MAX_CUSTOMERS = 100_000_000
MAX_DAYS = 7_300
MAX_EVENTS_PER_CUSTOMER = 3_000.0
LEVELS = 5
"""Levels of engagement: 0 (asleep) to 4 (all day)."""
MOST_TICKETS = 3
"""In a month; more count as many."""
CONTRACTS = (1, 12, 24)
PLANS = ("basic", "standard", "premium")
REGIONS = ("north", "south", "east", "west")
AGE_BANDS = ("18-29", "30-44", "45-59", "60+")
PAYMENT_METHODS = ("card", "debit", "invoice")
SOURCES = ("web", "shop", "partner")
CHANNELS = ("app", "web", "phone")
KINDS = ("covariate", "concept")

Four = tuple[float, float, float, float]
Three = tuple[float, float, float]
PerLevel = tuple[float, float, float, float, float]
PerMonth = tuple[float, float, float, float, float, float, float, float, float, float, float, float]


class Drift(Frozen):
    """A change of the business that begins on one day.

    ``covariate``: the customers change (who joins, how fast use decays, how many tickets, which
    channel), but customers in the same state leave as before. ``concept``: customers in the same
    state leave otherwise than before.
    """

    kind: Literal["covariate", "concept"]
    day: int = Field(ge=0)

    @classmethod
    def parse(cls, text: str) -> Drift:
        """``covariate@365``: from day 365 on; the first day of the simulation is day 0.

        Raises
        ------
        SettingsInvalid : it is not KIND@DAY
        """
        match = re.fullmatch(rf"\s*({'|'.join(KINDS)})\s*@\s*(\d{{1,6}})\s*", text.lower())
        if match is None:
            raise SettingsInvalid(
                f"'{text}' is no drift.",
                fix="Write covariate@DAY or concept@DAY, for example concept@365.",
                option="--drift",
            )
        return cls.model_validate({"kind": match[1], "day": int(match[2])})


class Mix(Frozen):
    """Shares of those who join, each in [0, 1]; the last of a list is what is left."""

    contract: Three = (0.60, 0.28, 0.12)
    plan: Three = (0.45, 0.35, 0.20)
    region: Four = (0.35, 0.25, 0.22, 0.18)
    age_band: Four = (0.25, 0.33, 0.26, 0.16)
    payment_method: Three = (0.55, 0.30, 0.15)
    source: Three = (0.60, 0.25, 0.15)
    first_level: PerLevel = (0.0, 0.0, 0.15, 0.35, 0.50)
    channel: Three = (0.50, 0.40, 0.10)
    """Where logins and uses happen."""


class Prices(Frozen):
    """What is paid per month, and how it rises."""

    plan: Three = (12.99, 24.99, 44.99)
    region: Four = (1.00, 0.92, 1.05, 1.12)
    discount_share: float = Field(default=0.3, ge=0, le=1)
    """Of customers who got a lower price when they joined, for as long as they stay."""
    discount: float = Field(default=0.15, ge=0, lt=1)
    yearly_rise: float = Field(default=0.06, ge=0)
    """Each January; a running term keeps its price, the next one has the new price."""
    upgrade: float = Field(default=0.03, ge=0, le=1)
    """Probability of a higher plan at a renewal at the highest level of engagement."""
    downgrade: float = Field(default=0.05, ge=0, le=1)
    """Probability of a lower plan at a renewal at one of the two lowest levels."""


class Hazard(Frozen):
    """The logit of leaving when a term ends: a sum of these."""

    contract: Three = (-3.15, -1.25, -0.95)
    price: float = 2.0
    """× log(price / the plan's price on the first day)"""
    rise: float = 4.0
    """× log(price of the next term / price of this one)"""
    level: PerLevel = (1.3, 0.7, 0.0, -0.4, -0.7)
    tickets: Four = (0.0, 0.3, 0.7, 1.2)
    """By the number of tickets since the last billing day: 0, 1, 2, 3 or more."""
    payment_failed: float = 0.9
    """The last payment failed at first."""
    tenure: float = -0.22
    """× log(1 + months as a customer)"""
    age_band: Four = (0.25, 0.05, -0.05, -0.15)
    season: PerMonth = (0.35, 0.10, 0.0, 0.0, -0.05, -0.15, -0.20, -0.10, 0.15, 0.05, -0.05, -0.10)
    """By the month in which the term ends: January first."""
    frailty_sd: float = Field(default=0.35, ge=0)
    """Standard deviation of what no table shows."""


class Behaviour(Frozen):
    """What customers do while they stay."""

    level_down: float = Field(default=0.12, ge=0, le=0.5)
    """Probability per month that engagement falls by one level: the median customer's."""
    level_down_sd: float = Field(default=0.4, ge=0)
    """Of its logarithm, between customers."""
    level_down_most: float = Field(default=0.6, ge=0, le=0.8)
    level_up: float = Field(default=0.10, ge=0, le=0.2)
    level_at_start: PerLevel = (0.15, 0.20, 0.25, 0.22, 0.18)
    """Of customers who had joined before the first day."""
    use: PerLevel = (0.08, 0.30, 0.72, 1.21, 1.89)
    """Logins and uses, relative to the average."""
    use_shape: float = Field(default=3.0, gt=0)
    """Gamma shape of the differences between customers (mean 1)."""
    use_season: PerMonth = (1.05, 1.0, 1.0, 0.98, 0.95, 0.92, 0.88, 0.9, 1.0, 1.04, 1.1, 1.18)
    login_share: float = Field(default=0.55, ge=0, le=1)
    tickets: float = Field(default=0.22, ge=0)
    """Per 30 days, on average."""
    tickets_shape: float = Field(default=1.5, gt=0)
    ticket_channel: Three = (0.35, 0.30, 0.35)
    use_minutes: float = Field(default=18.0, gt=0)
    ticket_minutes: float = Field(default=25.0, gt=0)
    payment_fails: Three = (0.03, 0.05, 0.09)
    """Probability by payment method."""


class Offers(Frozen):
    """Campaigns, and what the offer does."""

    name: str = "discount"
    every_months: int = Field(default=3, ge=3)
    """Campaigns run on the first of these months; an offer works until the next campaign."""
    holdout_share: float = Field(default=0.10, ge=0, lt=1)
    """Customers drawn once, who never get an offer."""
    likely: float = Field(default=0.80, gt=0, lt=1)
    """Probability of an offer for those who look likely to leave: engagement at or below
    ``likely_up_to_level``, or a monthly contract below the highest level but one."""
    unlikely: float = Field(default=0.15, gt=0, lt=1)
    likely_up_to_level: int = Field(default=1, ge=0, lt=LEVELS)
    effect: float = 0.45
    """Taken from the logit of leaving of a customer with an offer, plus these:"""
    effect_age_band: Four = (0.50, 0.10, -0.10, -0.30)
    effect_level: PerLevel = (-0.80, -0.10, 0.25, 0.15, 0.0)
    """An offer reminds sleeping customers that they pay: below 0 it does harm."""


class CovariateDrift(Frozen):
    """What a covariate drift changes."""

    level_down_times: float = Field(default=2.2, ge=1)
    tickets_times: float = Field(default=1.8, ge=1)
    mix: Mix = Mix(
        contract=(0.80, 0.15, 0.05),
        plan=(0.65, 0.25, 0.10),
        region=(0.15, 0.20, 0.25, 0.40),
        age_band=(0.50, 0.30, 0.14, 0.06),
        first_level=(0.0, 0.10, 0.35, 0.35, 0.20),
        channel=(0.75, 0.20, 0.05),
    )


class ConceptDrift(Frozen):
    """What a concept drift changes."""

    hazard: Hazard = Hazard(
        contract=(-2.75, -1.05, -0.85),
        price=5.0,
        level=(0.1, 0.1, 0.0, 0.0, 0.0),
        tickets=(0.0, 0.0, 0.0, 0.0),
    )


class Arrival(Frozen):
    """When facts become known."""

    late_share: float = Field(default=0.05, ge=0, le=1)
    """Of events that arrive days later; the others arrive within two minutes."""
    late_mean_days: float = Field(default=2.5, gt=0)
    late_most_days: float = Field(default=30.0, gt=0)
    churn_mean_days: float = Field(default=6.0, gt=0)
    """From leaving until it is recorded."""
    churn_most_days: float = Field(default=45.0, gt=0)


class Simulation(Frozen):
    """A simulated business.

    Parameters
    ----------
    customers : all who are or become customers
    days : how long it is watched
    seed : the same seed gives the same business
    start : the first day (UTC)
    events_per_customer : logins and uses per customer and 30 days, on average, about
    at_start : share of customers who had joined before the first day
    """

    customers: int = Field(default=10_000, ge=1, le=MAX_CUSTOMERS)
    days: int = Field(default=730, ge=1, le=MAX_DAYS)
    seed: int = Field(default=0, ge=0, lt=2**63)
    start: date = Field(default=date(2024, 1, 1), ge=date(1900, 1, 1), le=date(2200, 1, 1))
    events_per_customer: float = Field(
        default=5.0, ge=0, le=MAX_EVENTS_PER_CUSTOMER, allow_inf_nan=False
    )
    at_start: float = Field(default=0.6, ge=0, le=1)
    joined_most_months_before: int = Field(default=36, ge=1, le=120)
    drifts: tuple[Drift, ...] = ()
    mix: Mix = Mix()
    prices: Prices = Prices()
    hazard: Hazard = Hazard()
    behaviour: Behaviour = Behaviour()
    offers: Offers = Offers()
    arrival: Arrival = Arrival()
    covariate_drift: CovariateDrift = CovariateDrift()
    concept_drift: ConceptDrift = ConceptDrift()

    @model_validator(mode="after")
    def _fits(self) -> Simulation:
        kinds = [drift.kind for drift in self.drifts]
        if len(set(kinds)) < len(kinds):
            raise ValueError("each kind of drift can be named once")
        for drift in self.drifts:
            if drift.day >= self.days:
                raise ValueError(
                    f"the {drift.kind} drift on day {drift.day} is after the last day, "
                    f"{self.days - 1}"
                )
        return self

    @property
    def starts_at(self) -> datetime:
        """The first moment."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The moment at which watching stops; nothing happens at it or later."""
        return self.starts_at + timedelta(days=self.days)

    def drift_at(self, kind: str) -> datetime | None:
        """The moment from which this kind of drift holds."""
        return next(
            (self.starts_at + timedelta(days=d.day) for d in self.drifts if d.kind == kind), None
        )
