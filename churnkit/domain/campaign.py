"""What one contact earns: the terms that training and rollouts share.

Source: Neslin et al. (2006, "Defection detection"); see ``churnkit/measures/profit.py``.
"""

from __future__ import annotations

import math

from pydantic import Field

from churnkit.domain.frozen import Frozen


class ContactTerms(Frozen):
    """The money of one campaign, in one currency."""

    customer_value: float = Field(gt=0)
    contact_cost: float = Field(ge=0)
    offer_cost: float = Field(ge=0)
    success_rate: float = Field(ge=0, le=1)

    @property
    def leaver(self) -> float:
        """What contacting who would leave earns, expected over whether he accepts."""
        return self.success_rate * (self.customer_value - self.offer_cost) - self.contact_cost

    @property
    def stayer(self) -> float:
        """What contacting who would have stayed anyway earns; never above 0."""
        return -self.offer_cost - self.contact_cost

    @property
    def threshold(self) -> float:
        """The churn probability from which contacting pays; above 1 when it never does."""
        gain = self.success_rate * (self.customer_value - self.offer_cost) + self.offer_cost
        return (self.offer_cost + self.contact_cost) / gain if gain > 0 else math.inf
