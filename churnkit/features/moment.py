"""A moment that features look from."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from churnkit.domain.moments import day_number, to_us


class Moment(NamedTuple):
    """``as_of`` in whole microseconds (UTC), and the number of its day in the project's zone."""

    as_of_us: int
    as_of_day: int

    @classmethod
    def of(cls, as_of: datetime, zone: str) -> Moment:
        """The moment of a time that knows its own zone."""
        us = to_us(as_of)
        return cls(us, day_number(us, zone))
