"""One customer of a service: the reasons, what was said before, and what if."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churnkit.client.calls import customers, explanations, models
from churnkit.domain.predictions import Explanation
from churnkit.errors import NoChampion, ServiceRefused
from churnkit_desktop.backend.facts import CustomerDetail, FormField
from churnkit_desktop.backend.remote import telling
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.language import tr

ALL_REASONS = 100
NO_FEATURES = tr(
    "The service does not keep what is known of this customer, so it "
    "cannot be changed here. Enter it on “Score one”."
)


class People:
    """Asks about one customer at a time.

    Parameters
    ----------
    line : to the service
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._base_rates: dict[str, float] = {}

    def customer(self, customer_id: str) -> CustomerDetail:
        """A service that knows the customer's features explains him as he is now.

        Else the reasons are those that were recorded when he was scored.
        """
        known = self._line.ask(customers.customer(customer_id, limit=50))
        past = tuple(telling.prediction(one) for one in known.predictions)
        now = self._explained(customer_id)
        if now is not None:
            row = {reason.column: reason.value for reason in now.reasons}
            return CustomerDetail(now, row, past)
        if not past:
            raise ServiceRefused(
                tr("this customer was never scored, and the service keeps no features of him."),
                fix=tr("Score him in a file, or on “Score one”."),
                customer=customer_id,
            )
        recorded = self._line.ask(explanations.explanation(past[0].prediction_id))
        told = telling.recorded_explanation(recorded, self._base_rate(recorded.model_version))
        columns = {field.name for field in self.fields(recorded.model_version)}
        row = {reason.column: reason.value for reason in told.reasons}
        return CustomerDetail(told, row, past, "" if columns <= set(row) else NO_FEATURES)

    def fields(self, version: str = "champion") -> tuple[FormField, ...]:
        """The inputs of a model.

        Raises
        ------
        NoChampion : there is no model
        """
        # A service without a champion is "not able to answer now" (503), and would be asked again.
        if version == "champion" and self._line.ask(models.aliases()).champion is None:
            raise NoChampion(tr("there is no model yet."), fix=tr("Train one first."))
        told = self._line.ask(models.model(version))
        return tuple(telling.form_field(column) for column in told.columns)

    def what_if(self, row: Mapping[str, object]) -> Explanation:
        """The probability and reasons of a row that need not exist; nothing is recorded."""
        features: dict[str, Any] = {
            name: None if value is None or value != value else value for name, value in row.items()
        }
        answer = self._line.ask(explanations.explain({"what-if": features}, k=ALL_REASONS))
        return telling.explanation(answer.explanations[0], answer)

    def _explained(self, customer_id: str) -> Explanation | None:
        try:
            answer = self._line.ask(explanations.explain({customer_id: None}, k=ALL_REASONS))
        except ServiceRefused:
            return None  # it keeps no features of this customer
        return telling.explanation(answer.explanations[0], answer)

    def _base_rate(self, version: str) -> float:
        if version not in self._base_rates:
            self._base_rates[version] = self._line.ask(models.model(version)).card.base_rate
        return self._base_rates[version]
