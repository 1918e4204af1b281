"""Event logs, attributes and subscriptions, as they are kept after import.

All moments are whole microseconds since 1970-01-01 in UTC (``*_us``); ``dayno`` is the number of
the day since 1970-01-01 in the project's zone. Values are whole numbers of their last decimal, so
that every engine adds them up to the same sum in any order.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnkit.domain.frozen import Frozen

US_PER_DAY = 86_400_000_000
BEGINNING_US = -62_135_596_800_000_000
"""0001-01-01: since when facts hold that have no date."""
MAX_DECIMALS = 6


AttributeKind = Literal["number", "boolean", "category"]


class ValueColumn(Frozen):
    """A number that events carry; stored as ``round(value * 10**decimals)``."""

    name: str
    decimals: int = Field(ge=0, le=MAX_DECIMALS)


class AttributeColumn(Frozen):
    """A fact about a customer that changes slowly."""

    name: str
    kind: AttributeKind


class LogSchema(Frozen):
    """What is known of an imported event log, and of the tables beside it.

    ``known_until_us`` is the latest moment at which any fact became known; of events and of
    subscriptions alone it is ``events_until_us`` and ``subscriptions_until_us``. Labels that would
    need later facts are not matured. Facts dated after the moment of the import do not count for
    these three; ``n_future`` events are. ``categories`` are text columns of events.
    """

    zone: str
    values: tuple[ValueColumn, ...] = ()
    categories: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    attributes: tuple[AttributeColumn, ...] = ()
    has_subscriptions: bool = False
    n_events: int = 0
    n_customers: int = 0
    first_us: int | None = None
    last_us: int | None = None
    known_until_us: int | None = None
    events_until_us: int | None = None
    subscriptions_until_us: int | None = None
    n_future: int = 0
    fingerprint: str = ""

    def value(self, name: str) -> ValueColumn | None:
        """The value column of this name, if there is one."""
        return next((column for column in self.values if column.name == name), None)

    def attribute(self, name: str) -> AttributeColumn | None:
        """The attribute of this name, if there is one."""
        return next((column for column in self.attributes if column.name == name), None)


class EventFault(Frozen):
    """Why a delivered event was not taken in; ``item`` is its position, from 0."""

    item: int
    field: str
    what: str
    fix: str


class Guess(Frozen):
    """What churnkit takes a part of an event project to be, and why."""

    what: str
    value: str
    ground: str
