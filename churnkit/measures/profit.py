"""What a campaign earns, and whom it pays to contact.

A contacted customer costs ``contact_cost`` f. A would-be churner accepts an offer of cost
``offer_cost`` d with probability ``success_rate`` γ, stays, and keeps the company his
``customer_value`` V; else he leaves, and the offer costs nothing. A customer who would have
stayed anyway takes the offer and keeps his value, so it only costs. Hence contacting earns

    would leave:  γ·(V − d) − f
    would stay:   −d − f

That all stayers take the offer is an assumption, and the cautious one: where fewer do, profit
is higher than we say. These are the terms of Neslin et al. (2006, "Defection detection") with
their δ = d / V and φ = f / V, as in Verbraken et al. (2013, "A novel profit maximizing
metric"): CLV·(γ(1 − δ) − φ) and −CLV·(δ + φ).

With churn probability p the expectation p·(γ(V − d) − f) − (1 − p)·(d + f) is positive iff

    p > (d + f) / (γ·(V − d) + d).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churnkit.domain.campaign import ContactTerms

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


def contact_profit(
    left: Labels,
    *,
    customer_value: float,
    contact_cost: float,
    offer_cost: float,
    success_rate: float,
) -> Floats:
    """What contacting each customer earns, in the currency of the arguments.

    Parameters
    ----------
    left : shape (n,), who would leave

    Returns
    -------
    profit : shape (n,), expected over whether the offer is accepted
    """
    terms = ContactTerms(
        customer_value=customer_value,
        contact_cost=contact_cost,
        offer_cost=offer_cost,
        success_rate=success_rate,
    )
    each = np.where(np.asarray(left, dtype=np.bool_), terms.leaver, terms.stayer)
    return each.astype(np.float64)


def profit_threshold(
    *,
    customer_value: float,
    contact_cost: float,
    offer_cost: float,
    success_rate: float,
) -> float:
    """The churn probability from which contacting pays; above 1 when it never does.

    It follows from the money alone: no row is looked at, so the test set stays unseen.
    """
    return ContactTerms(
        customer_value=customer_value,
        contact_cost=contact_cost,
        offer_cost=offer_cost,
        success_rate=success_rate,
    ).threshold


def campaign_profit(
    left: Labels,
    p: Floats,
    *,
    threshold: float,
    customer_value: float,
    contact_cost: float,
    offer_cost: float,
    success_rate: float,
) -> float:
    """Profit per customer (contacted or not) when those at or above the threshold are contacted.

    Parameters
    ----------
    left : shape (n,)
    p : shape (n,), in [0, 1]
    """
    each = contact_profit(
        left,
        customer_value=customer_value,
        contact_cost=contact_cost,
        offer_cost=offer_cost,
        success_rate=success_rate,
    )
    return float(np.mean(np.where(p >= threshold, each, 0.0)))


def profit_by_share(left: Labels, p: Floats, each: Floats) -> tuple[Floats, Floats]:
    """Profit per customer when the riskiest share is contacted.

    Parameters
    ----------
    left, p, each : shape (n,); ``each`` as from ``contact_profit``

    Returns
    -------
    share, profit : shape (n + 1,), from nobody to everybody
    """
    order = np.argsort(-p, kind="stable")
    n = len(left)
    profit = np.concatenate([[0.0], np.cumsum(each[order])]) / n
    return np.arange(n + 1) / n, profit
