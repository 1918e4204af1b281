"""What is said beside the data: README.md and truth.json."""

from __future__ import annotations

import json

from churnkit.data.simulation.parameters import (
    AGE_BANDS,
    CHANNELS,
    CONTRACTS,
    PAYMENT_METHODS,
    PLANS,
    REGIONS,
    SOURCES,
    Simulation,
)
from churnkit.data.simulation.truth import HORIZONS

FORMAT = 1


def truth_json(simulation: Simulation, *, versions: dict[str, str]) -> str:
    """Every parameter, and in which order the codes stand."""
    told = {
        "format": FORMAT,
        "made_by": versions,
        "starts_at": simulation.starts_at.isoformat(),
        "ends_at": simulation.ends_at.isoformat(),
        "drift_from": {
            drift.kind: at.isoformat()
            for drift in simulation.drifts
            if (at := simulation.drift_at(drift.kind)) is not None
        },
        "horizons_days": list(HORIZONS),
        "order": {
            "contract_months": list(CONTRACTS),
            "plan": list(PLANS),
            "region": list(REGIONS),
            "age_band": list(AGE_BANDS),
            "payment_method": list(PAYMENT_METHODS),
            "source": list(SOURCES),
            "channel": list(CHANNELS),
        },
        "parameters": simulation.model_dump(mode="json"),
    }
    return json.dumps(told, indent=1) + "\n"


def readme(simulation: Simulation, *, command: str) -> str:
    """What each file is, and how the truth may be used."""
    offers = simulation.offers
    late, held = f"{simulation.arrival.late_share:.0%}", f"{offers.holdout_share:.0%}"
    low, high, every = f"{offers.unlikely:g}", f"{offers.likely:g}", offers.every_months
    delay = f"{simulation.arrival.churn_mean_days:g}"
    drifts = "; ".join(
        f"{drift.kind} from day {drift.day} ({simulation.drift_at(drift.kind):%Y-%m-%d})"
        for drift in simulation.drifts
    )
    return f"""# A simulated subscription business

Nobody in these files exists. {simulation.customers:,} customers, watched from
{simulation.starts_at:%Y-%m-%d} until {simulation.ends_at:%Y-%m-%d} (UTC, end excluded). Drift:
{drifts or "none"}. Made by

    {command}

## What a business would have

- `events/part-*.parquet`, a row is an event. `event_time`: when it happened; `known_at`: when it
  arrived, never earlier; about {late} arrive days late. `value`: minutes of a `usage` or a
  `ticket`; money of a `payment`, of a `payment_failed` (made up for within ten days) or of a
  `price_change` (the new monthly price); empty for a `login`.
- `customers.parquet`, a row is a version of a customer's attributes. It holds from `valid_from`
  until the next one. The first version of those who joined before the first day has the plan and
  the price that they had on it. `signed_up`: the start of the first term.
- `subscriptions.parquet`, a row is a term of 1, 12 or 24 months, booked at `known_at`. A renewal
  is a further row (`is_renewal`) whose `start` is the last one's `end`; a term that ended without
  one is a customer who left. Whether a term will be renewed is not in its own row: that would be
  a fact of the future.
- `treatments.parquet`, a row is a customer whom a campaign considered. `offer` is empty if none
  was made. The customers of the `holdout` ({held}) were drawn once at random and never get an
  offer. `assignment_probability` is that of an offer: {low}, or {high} for those who look likely to
  leave, or 0 in the hold-out. Campaigns run every {every} months at the first moment of a month; an
  offer works until the next campaign. For the effect of one offer weight those outside of the
  hold-out by `assignment_probability`; for that of all campaigns together compare with the
  hold-out from the first campaign on. Those without an offer alone say nothing: they were left
  out because they looked safe.
- `outcomes.parquet`, a row is a customer. `churned_at` is empty for those who stayed until the
  end. `known_at`: when it was recorded that they left, about {delay} days later
  on average; of those who stayed, the end.

Facts that happened before the end and became known after it are included: whoever plays an
earlier day must look at `known_at`.

## The truth

`truth.parquet` has a row for each customer with a running term on the first moment of each month:

- `churn_30`, `churn_60`, `churn_90`: the true probability of leaving in `(as_of, as_of + days]`
  given the customer's state at `as_of`: engagement, the tickets and the payment of the running
  month, price, contract, the lasting difference between customers (`frailty`), and the offer that
  was or was not made at or before `as_of`. It is exact, not estimated: later engagement, tickets,
  payments and campaigns are averaged over, drift and price rises are known to it.
- `…_without_offer`, `…_with_offer`: the same if from `as_of` until the next campaign no offer, or
  one, were at work. `effect_90` = with − without: below 0 the offer keeps the customer.
- `has_offer`, `holdout`, `engagement` (0 asleep to 4), `frailty`: the state that no table above
  shows, or shows only in part.

`truth.json` has every parameter. A customer whose term ends leaves with probability
1 / (1 + exp(-logit)); the logit is the sum of `hazard`'s entries (`concept_drift.hazard` from that
drift's day on) minus the effect of an offer that is at work.
`truth.*` are for judging estimates. A model that reads them cheats.

The same command gives the same customers on the same version of churnkit and numpy. Customer
number k is the same in a business of any size.
"""
