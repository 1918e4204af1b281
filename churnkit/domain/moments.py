"""Moments as whole microseconds in UTC, and the days of a zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_US = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970-01-01 in UTC, exact."""
    return (moment - _EPOCH) // _US


def from_us(us: int) -> datetime:
    """The moment in UTC, exact."""
    return _EPOCH + timedelta(microseconds=us)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def day_number(us: int, zone: str) -> int:
    """Days since 1970-01-01 of the day that this moment belongs to in a zone."""
    return from_us(us).astimezone(_zone(zone)).toordinal() - _EPOCH_DAY
