"""Customers who were erased are not scored again: their items are refused, and nothing is kept."""

from __future__ import annotations

import dataclasses

from churnkit.client.messages.problems import Fault
from churnkit.errors import StorageUnreachable
from churnkit.usecases.suppressing import KnownErasures
from churnkit_service.problems import CustomerErased
from churnkit_service.reading import Asked

_EXPECTED = "a customer who was not erased"
_FIX = "Leave this customer out."


def without_erased(known: KnownErasures, asked: Asked) -> Asked:
    """A request without erased customers; the faults that say so do not name them.

    Raises
    ------
    CustomerErased : there is one, and the others shall not be scored without him
    StorageUnreachable : it was not read yet who was erased
    """
    if not known.known:
        raise StorageUnreachable(
            "it cannot be read who was erased.", fix="Send the request again after a while."
        )
    erased = known.places(asked.customers)
    if not erased:
        return asked
    faults = [
        Fault(item=asked.places[i], field="customer_id", expected=_EXPECTED, fix=_FIX)
        for i in erased
    ]
    if asked.on_error == "fail":
        raise CustomerErased(
            f"item {faults[0].item}: this customer was erased.",
            fix="Leave such items out, or send 'on_error': 'skip' to score the others.",
            faults=faults,
        )
    gone = set(erased)
    kept = [i for i in range(len(asked.customers)) if i not in gone]
    return dataclasses.replace(
        asked,
        customers=[asked.customers[i] for i in kept],
        rows=[asked.rows[i] for i in kept],
        places=[asked.places[i] for i in kept],
        skipped=[*asked.skipped, *faults],
    )
