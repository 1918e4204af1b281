"""Whom the load asks for, and as what: each source has customers of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SOURCES = ("single", "unkeyed", "bulk", "stream", "broker", "batch")


@dataclass(frozen=True)
class Asking:
    """What to send.

    Parameters
    ----------
    customers : at least one for each source
    features : of each customer alike; None: the service knows them
    as_of : the moment to look from; None: now
    """

    customers: Sequence[str]
    features: Mapping[str, Any] | None = None
    as_of: datetime | None = None

    def of(self, source: str) -> Sequence[str]:
        """The customers of a source; by them its predictions are told apart in the ledger."""
        place = SOURCES.index(source)
        return self.customers[place :: len(SOURCES)]

    def some(self, source: str, n: int, dice: random.Random) -> dict[str, Mapping[str, Any] | None]:
        """So many different customers with their features, as the clients take them."""
        mine = self.of(source)
        return dict.fromkeys(dice.sample(mine, min(n, len(mine))), self.features)

    def body(self, source: str, n: int, dice: random.Random) -> dict[str, Any]:
        """The same as a request's body."""
        items: list[dict[str, Any]] = []
        for name, features in self.some(source, n, dice).items():
            items.append({"customer_id": name, **({"features": features} if features else {})})
        moment = {} if self.as_of is None else {"as_of": self.as_of.isoformat()}
        return {"items": items, **moment}
