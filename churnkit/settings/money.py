"""[money]: what a customer and a campaign are worth."""

from __future__ import annotations

from pydantic import Field, model_validator

from churnkit.settings.kinds import Table


class Money(Table):
    """What a customer and a campaign are worth, in one currency.

    Sources: Neslin et al. (2006), Verbraken et al. (2013).
    """

    currency: str = "EUR"
    customer_value: float = Field(200.0, gt=0, description="Profit lost when a customer leaves.")
    contact_cost: float = Field(1.0, ge=0, description="Cost to contact one customer.")
    offer_cost: float = Field(10.0, ge=0, description="Cost of the offer when it is accepted.")
    success_rate: float = Field(
        0.3, gt=0, le=1, description="Share of would-be churners whom the offer keeps."
    )

    @model_validator(mode="after")
    def _offer_below_value(self) -> Money:
        if self.offer_cost >= self.customer_value:
            raise ValueError("offer_cost must be below customer_value, or no offer ever pays")
        return self
