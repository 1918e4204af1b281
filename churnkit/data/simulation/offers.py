"""Campaigns: who is likely to be made an offer, and who never is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churnkit.data.simulation.parameters import LEVELS, Simulation
from churnkit.data.simulation.population import Population

Floats = npt.NDArray[np.float64]


def offer_probability(simulation: Simulation, population: Population) -> Floats:
    """Probability of an offer at a campaign for customers who are not held out.

    Those who look likely to leave are likely to get one: so the customers without an offer are
    not like the others, and what they do says nothing about an offer's effect.

    Returns
    -------
    probability : shape (n, LEVELS), by engagement
    """
    offers = simulation.offers
    levels = np.arange(LEVELS)[None, :]
    monthly = (population.contract == 0)[:, None]
    looks_likely = (levels <= offers.likely_up_to_level) | (monthly & (levels < LEVELS - 2))
    return np.where(looks_likely, offers.likely, offers.unlikely)
