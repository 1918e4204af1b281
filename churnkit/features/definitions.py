"""A FeatureSet: what is computed for a customer at a moment, as data.

One meaning on every engine. With ``as_of`` a moment and D its day in the project's zone:

- a fact counts iff ``event_time <= as_of`` and ``known_at <= as_of``;
- a window of N days holds the facts of the days D - N + 1 … D (None: all days until D);
- ``count``, ``sum``, ``distinct`` and ``active_days`` are 0 where no event counts, all others are
  missing; nulls of a column are left out of its aggregates, and no condition but ``missing``
  holds for them;
- ``recency_days`` is D minus the day of the last event, ``since_first_days`` D minus the day of
  the first one, ``mean_gap_days`` the mean distance of consecutive active days (missing below two
  of them), all in calendar days;
- a ratio is missing where a part is missing or the denominator is 0;
- a trend compares the daily rate in a short window with that in a longer one:
  ``(recent / days of recent) / (base / days of base)``, missing like a ratio;
- an attribute is the value of the version that holds at ``as_of``;
- a subscription period that is told again (the same start) holds as it was known last, and of
  two known at the same moment the one that ends later; ``days_to_end`` looks at the periods that
  end after ``as_of``, at the last of them, and is missing if one of them is open. Tenure and days
  to the end are calendar days in the project's zone.

Sums, means, least and greatest values are floats in the user's unit: the whole number of last
decimals, then divided by 10**decimals (and for a mean by the count), so that they are equal on
every engine.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field

from churnkit.domain.frozen import Frozen

Aggregate = Literal[
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "distinct",
    "active_days",
    "recency_days",
    "since_first_days",
    "mean_gap_days",
]
EVENT_TYPE = "event_type"
"""The name by which conditions and ``distinct`` speak of an event's type."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


class Condition(Frozen):
    """A filter on a column of events: a value (number) or a category (text)."""

    column: str
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in", "not in", "missing", "present"]
    value: float | str | tuple[str, ...] | None = None


class EventFeature(Frozen):
    """An aggregate over a customer's events.

    ``column`` is a value for sum, mean, min, max, and a category (or ``event_type``) for
    distinct; the others have none. ``event_types`` empty: all of them.
    """

    kind: Literal["event"] = "event"
    name: Name
    aggregate: Aggregate
    column: str = ""
    event_types: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    window_days: Annotated[int, Field(ge=1, le=36_500)] | None = None


class Ratio(Frozen):
    """One feature divided by another."""

    kind: Literal["ratio"] = "ratio"
    name: Name
    numerator: Name
    denominator: Name


class Trend(Frozen):
    """How the daily rate of a count or sum in a short window compares with a longer one."""

    kind: Literal["trend"] = "trend"
    name: Name
    recent: Name
    base: Name


class AttributeFeature(Frozen):
    """An attribute as of the date."""

    kind: Literal["attribute"] = "attribute"
    name: Name
    column: str


class SubscriptionFeature(Frozen):
    """A figure of the customer's subscription periods that were known.

    ``tenure_days``: days since the first start; ``days_to_end``: until the end of the period that
    runs (missing if none runs or it is open); ``periods``: how many have started.
    """

    kind: Literal["subscription"] = "subscription"
    name: Name
    figure: Literal["tenure_days", "days_to_end", "periods"]


Feature = Annotated[
    EventFeature | Ratio | Trend | AttributeFeature | SubscriptionFeature,
    Field(discriminator="kind"),
]


class FeatureSet(Frozen):
    """Features in the order of their columns; ratios and trends name features of the set."""

    features: tuple[Feature, ...]

    def content_hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON: equal sets have equal hashes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
