"""Who was held out or treated after a prediction, and what a customer's outcome weighs.

The hold-outs of all campaigns count as evidence, and only those that were fixed before the
prediction was made. A member who was treated all the same stays in, because being a member is
what was drawn; it is reported as a violation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt

from churnkit.domain.outcomes import Holdout, Treatment
from churnkit.rollout.assignment import bucket
from churnkit.rollout.weighting import holdout_weights, propensity_weights

Counting = Literal["auto", "everyone", "holdout", "propensity"]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Weighed:
    """Who counts; shape (n,) each. ``weight`` NaN: not evidence."""

    weight: Floats
    treated: Bools
    held_out: Bools
    counting: Literal["everyone", "holdout", "propensity"]


def weigh(
    customers: Sequence[str],
    moments: Sequence[datetime],
    ends: Sequence[datetime],
    *,
    treatments: Mapping[str, Sequence[Treatment]],
    holdouts: Sequence[Holdout],
    counting: Counting = "auto",
    smallest_propensity: float = 0.1,
) -> Weighed:
    """Weights of predictions.

    Parameters
    ----------
    customers, moments, ends : of each prediction: whose, from when, and the end of its window
    treatments : by customer, in the order of time
    holdouts : all that were ever fixed
    counting : whose outcomes count. ``everyone`` where nobody is treated; ``auto`` is that where
        nobody was, otherwise the hold-out where one was fixed for these predictions, otherwise
        the logged propensities
    smallest_propensity : of being left untreated; customers below it do not count
    """
    n = len(customers)
    treated = np.zeros(n, dtype=np.bool_)
    untreated_probability = np.ones(n)
    logged = np.ones(n, dtype=np.bool_)
    drawn = np.zeros(n, dtype=np.bool_)
    held_out = held_out_at(customers, moments, holdouts)
    times = {name: [row.at for row in rows] for name, rows in treatments.items()}
    for i, customer in enumerate(customers):
        rows = treatments.get(customer)
        if not rows:
            continue
        at = times[customer]
        for row in rows[bisect_right(at, moments[i]) : bisect_right(at, ends[i])]:
            treated[i] |= not row.hold_out
            if row.assignment_probability is None:
                logged[i] = False
            else:
                drawn[i] = True
                untreated_probability[i] *= 1 - row.assignment_probability
    chosen = counting
    if chosen == "auto":
        fixed = any(holdout.campaign == "" for holdout in holdouts) and bool(held_out.any())
        chosen = "everyone" if not treated.any() else "holdout" if fixed else "propensity"
    if chosen == "everyone":
        weight = np.ones(n)
    elif chosen == "holdout":
        weight = holdout_weights(held_out)
    else:
        weight = propensity_weights(treated, 1 - untreated_probability, floor=smallest_propensity)
        # Whose draw was not logged may have been left out because of his score.
        weight = np.where(logged & drawn, weight, np.nan)
    return Weighed(weight=weight, treated=treated, held_out=held_out, counting=chosen)


def held_out_at(
    customers: Sequence[str], moments: Sequence[datetime], holdouts: Sequence[Holdout]
) -> Bools:
    """Who was in a hold-out of all campaigns that was fixed before the prediction."""
    found = np.zeros(len(customers), dtype=np.bool_)
    for holdout in holdouts:
        if holdout.campaign:
            continue
        for i, (customer, moment) in enumerate(zip(customers, moments, strict=True)):
            if not found[i] and holdout.created_at <= moment and holdout.holds_at(moment):
                found[i] = is_member(holdout, customer)
    return found


def is_member(holdout: Holdout, customer_id: str) -> bool:
    """Whether a customer is in the hold-out: the same for ever, and in no list."""
    return bucket(customer_id, salt=holdout.salt) < holdout.share


def violated(holdout: Holdout, treatment: Treatment) -> bool:
    """Whether a member was treated by a campaign that the hold-out keeps him from."""
    return (
        not treatment.hold_out
        and holdout.covers(treatment.campaign)
        and holdout.holds_at(treatment.at)
        and is_member(holdout, treatment.customer_id)
    )
